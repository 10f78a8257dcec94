import type { MediaComponent, MediaSubComponent } from '#diameter/rx/media-component';
import { flowStatuses } from '#diameter/rx/rx-values';

/** Flow numbers that one early dialog takes of a component: RTP and RTCP. */
const numbersPerDialog = 2;

/**
 * The media of several early dialogs in one: per component the flows of all of them, the largest of their bandwidths and
 * the gates that any of them wants open. Codec-Data is that of the latest dialog, which stands last.
 *
 * Source: TS 29.214 A.3.1; TS 29.213 6.2; requirements Q-13, P-123.
 */
export function forkedMedia(dialogs: readonly (readonly MediaComponent[])[]): MediaComponent[] {
  const merged = new Map<number, MediaComponent>();
  for (const [dialog, components] of dialogs.entries()) {
    for (const component of components) {
      const before = merged.get(component.number);
      merged.set(component.number, before === undefined ? component : union(before, component, dialog));
    }
  }
  return [...merged.values()].sort((a, b) => a.number - b.number);
}

function union(before: MediaComponent, later: MediaComponent, dialog: number): MediaComponent {
  // One branch that refused the media does not take it away from the others.
  if (later.flowStatus === flowStatuses.REMOVED) return before;
  if (before.flowStatus === flowStatuses.REMOVED) return later;
  const subComponents = [...before.subComponents];
  const known = new Set(subComponents.map(filtersOf));
  for (const sub of later.subComponents) {
    if (known.has(filtersOf(sub))) continue;
    subComponents.push({ ...sub, flowNumber: sub.flowNumber + dialog * numbersPerDialog });
  }
  return {
    ...later,
    subComponents,
    maxUplink: larger(before.maxUplink, later.maxUplink),
    maxDownlink: larger(before.maxDownlink, later.maxDownlink),
    minUplink: larger(before.minUplink, later.minUplink),
    minDownlink: larger(before.minDownlink, later.minDownlink),
    rsBandwidth: larger(before.rsBandwidth, later.rsBandwidth),
    rrBandwidth: larger(before.rrBandwidth, later.rrBandwidth),
    flowStatus: openGates(before.flowStatus, later.flowStatus),
  };
}

function filtersOf({ flowDescriptions }: MediaSubComponent): string {
  return flowDescriptions.join('\n');
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}

function openGates(a: number | undefined, b: number | undefined): number {
  const up = opensUplink(a) || opensUplink(b);
  const down = opensDownlink(a) || opensDownlink(b);
  if (up) return down ? flowStatuses.ENABLED : flowStatuses['ENABLED-UPLINK'];
  return down ? flowStatuses['ENABLED-DOWNLINK'] : flowStatuses.DISABLED;
}

function opensUplink(status: number | undefined): boolean {
  return status === flowStatuses.ENABLED || status === flowStatuses['ENABLED-UPLINK'];
}

function opensDownlink(status: number | undefined): boolean {
  return status === flowStatuses.ENABLED || status === flowStatuses['ENABLED-DOWNLINK'];
}
