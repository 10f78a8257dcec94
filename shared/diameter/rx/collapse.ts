import type { AaService } from './rx-requests.ts';
import { flowStatuses } from './rx-values.ts';

/**
 * One AAR in the place of two of which the earlier was not sent: the later one, and what the earlier one alone says: that
 * a component is gone (which is told once only), and which events are wanted. Source: requirement D-62.
 */
export function collapseServices(earlier: AaService, later: AaService): AaService {
  const told = new Set(later.mediaComponents.map(({ number }) => number));
  const gone = earlier.mediaComponents.filter(
    ({ flowStatus, number }) => flowStatus === flowStatuses.REMOVED && !told.has(number),
  );
  return {
    ...later,
    mediaComponents: [...later.mediaComponents, ...gone].sort((a, b) => a.number - b.number),
    specificActions: later.specificActions.length > 0 ? later.specificActions : earlier.specificActions,
  };
}
