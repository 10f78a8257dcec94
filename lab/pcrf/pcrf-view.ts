import { table, visible } from '../hss/hss-view.ts';
import type { OrderOutcome } from './bearer-orders.ts';
import type { ListedSessions, ShownComponent, ShownSession } from './pcrf-methods.ts';

const usages = ['', 'RTCP', 'signalling'];

/** What came of `rar` and `asr`, in words. */
export function orderView(name: 'RAA' | 'ASA', outcomes: readonly OrderOutcome[]): string {
  return outcomes
    .flatMap(({ code, findings, host, milliseconds, session, terminated, words }) => [
      code === 0 ? `no ${name} from ${host}: ${words}` : `${name} ${words} from ${host} after ${milliseconds} ms`,
      `  session ${session}`,
      ...(terminated === undefined ? [] : [terminated ? '  the STR has come' : '  no STR has come']),
      ...findings.map((finding) => `  ${finding}`),
    ])
    .map(visible)
    .join('\n');
}

/** The list for people. */
export function listView({ more, sessions }: ListedSessions): string {
  if (sessions.length === 0) return 'no session';
  const rows = sessions.map(({ address, host, id, media, number, state, subscriptions }) => [
    String(number),
    address,
    subscriptions.join(', '),
    state,
    media.join(', '),
    host,
    id,
  ]);
  const lines = table([['', 'ADDRESS', 'SUBSCRIPTION', 'STATE', 'MEDIA', 'P-CSCF', 'SESSION'], ...rows]);
  if (more) lines.push('... and more: --limit');
  return lines.map(visible).join('\n');
}

/** A session for people, its media components as a table. */
export function sessionView(shown: ShownSession): string {
  const { applicationIdentifier, chargingIdentifier, serviceUrn } = shown;
  const lines = [
    `session ${shown.number} ${shown.id}`,
    `${shown.state}, of ${shown.host}, since ${new Date(shown.startedMs).toISOString()}, by ${shown.rule}`,
    `${shown.requests} AARs, the latest change ${new Date(shown.changedMs).toISOString()}`,
    `UE ${shown.address || 'without an address'}, ${shown.subscriptions.join(', ') || 'no subscription'}`,
  ];
  if (applicationIdentifier !== null) lines.push(`service ${applicationIdentifier}`);
  if (serviceUrn !== null) lines.push(`emergency service ${serviceUrn}`);
  if (chargingIdentifier !== null) lines.push(`charging ${chargingIdentifier}`);
  lines.push(`wants to hear of ${shown.specificActions.join(', ') || 'nothing'}`, '');
  if (shown.components.length === 0) lines.push('no media component');
  else lines.push(...componentTable(shown.components));
  return lines.map(visible).join('\n');
}

function componentTable(components: readonly ShownComponent[]): string[] {
  const heading = ['COMPONENT', 'MEDIA', 'STATUS', 'UP', 'DOWN', 'CODECS', 'FLOW', '', 'FILTER'];
  const rows = components.flatMap((component) => {
    const flows = component.flows.flatMap(({ filters, number, usage }) =>
      (filters.length === 0 ? [''] : filters).map((filter, i) =>
        i === 0 ? [String(number), usages[usage] ?? String(usage), filter] : ['', '', filter],
      ),
    );
    const first = [
      String(component.number),
      component.media,
      component.status,
      rate(component.maxUplink, component.minUplink),
      rate(component.maxDownlink, component.minDownlink),
      component.codecs.join(', '),
    ];
    if (flows.length === 0) return [[...first, '', '', '']];
    return flows.map((flow, i) => [...(i === 0 ? first : first.map(() => '')), ...flow]);
  });
  return table([heading, ...rows]);
}

/** `41000 (38000)`: at most, and at least, in bit/s. */
function rate(max: number | null, min: number | null): string {
  return `${max ?? ''}${min === null ? '' : ` (${min})`}`;
}
