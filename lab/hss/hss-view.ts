import type { HssFindings, HssStatus, ListedSubscriptions, ShownSubscription } from './hss-methods.ts';
import type { OrderOutcome } from './server-orders.ts';

/** An outcome of `rtr` and `ppr` in words. */
export function orderView(name: 'RTA' | 'PPA', outcome: OrderOutcome): string {
  const { answeredBy, emergencies, findings, host, milliseconds, server, words } = outcome;
  const other = answeredBy === host ? '' : `, answered by ${answeredBy}`;
  const lines = [
    outcome.code === 0
      ? `no ${name} from ${host} (${server}): ${words}`
      : `${name} ${words} from ${host} (${server}) after ${milliseconds} ms${other}`,
    ...emergencies.map((impu) => `${impu} stays registered for emergencies`),
    ...findings.map((finding) => `${name} is wrong: ${finding}`),
  ];
  return lines.map(visible).join('\n');
}

/** A subscription for people. */
export function subscriptionView(shown: ShownSubscription): string {
  const { capabilities, charging, formerServer, server, serverHost, visitedNetworks } = shown;
  const lines = [
    `subscription ${shown.key}`,
    `S-CSCF ${server === null ? 'none' : `${server} (${serverHost})`}${formerServer === null ? '' : `, before it ${formerServer}`}`,
    `may roam in ${visitedNetworks === null ? 'all networks' : visitedNetworks.join(', ') || 'no network'}`,
    `services while not registered: ${shown.unregisteredServices ? 'yes' : 'no'}`,
  ];
  if (capabilities !== null && capabilities !== undefined) {
    const { mandatory, optional, servers } = capabilities;
    lines.push(`S-CSCF must have [${mandatory}], should have [${optional}], one of [${servers}]`);
  }
  if (charging !== null)
    lines.push(
      `charging ${Object.entries(charging)
        .map((entry) => entry.join('='))
        .join(', ')}`,
    );
  if (shown.pushedProfile) lines.push('the profile is one that was pushed');
  const section = (rows: string[][]) => lines.push('', ...table(rows));
  section([
    ['PRIVATE IDENTITY', 'SCHEME', 'SQN'],
    ...shown.privates.map(({ impi, scheme, sqn }) => [impi, scheme, sqn]),
  ]);
  section([
    ['SET', 'PUBLIC IDENTITY', 'STATE', 'BY', ''],
    ...shown.sets.flatMap(({ identities, pending, registeredBy, state }, i) =>
      identities.map(({ barred, identity, service }, j) => [
        j === 0 ? String(i + 1) : '',
        identity,
        j === 0 ? `${state}${pending.length > 0 ? ', being authenticated' : ''}` : '',
        j === 0 ? registeredBy.join(', ') : '',
        [barred ? 'barred' : '', service ? 'service' : ''].filter((word) => word !== '').join(', '),
      ]),
    ),
  ]);
  const contacts = shown.sets.flatMap(({ restoration }) =>
    restoration.map(({ contact, impi, path }) => [contact, impi, path]),
  );
  if (contacts.length > 0) section([['CONTACT FOR RESTORATION', 'OF', 'PATH'], ...contacts]);
  return lines.map(visible).join('\n');
}

/** The list for people. */
export function listView({ more, subscriptions }: ListedSubscriptions): string {
  if (subscriptions.length === 0) return 'none';
  const rows = subscriptions.map(({ identities, impi, server, state }) => [impi, state, server, identities.join(', ')]);
  const lines = table([['PRIVATE IDENTITY', 'STATE', 'S-CSCF', 'PUBLIC IDENTITIES'], ...rows]);
  if (more) lines.push('... and more: --limit');
  return lines.map(visible).join('\n');
}

/** Findings for people; `specification`: what was held against. */
export function findingsView({ breaches, counts, latest }: HssFindings, specification = 'TS 29.229'): string {
  if (counts.length === 0) return `no findings: what peers sent is as ${specification} has it`;
  const lines = [`${breaches} breaches`, '', ...countTable(counts), '', 'the latest:'];
  for (const { atMs, breach, id, message, peer, words } of latest) {
    lines.push(`${new Date(atMs).toISOString()} ${breach ? '' : '(no breach) '}${peer} ${message} ${id}: ${words}`);
  }
  return lines.map(visible).join('\n');
}

/** What the HSS did, for people. */
export function countersView({ breaches, counters, enforce, findings }: HssStatus): string {
  const rows = Object.entries(counters.requests).map(([name, count]) => {
    const own = Object.entries(counters.results).filter(([result]) => result.startsWith(`${name} `));
    const results = own.map(([result, times]) => `${result.slice(name.length + 1)}: ${times}`).join(', ');
    return [name, String(count), String(counters.retransmitted[name] ?? 0), results];
  });
  const lines = rows.length === 0 ? ['no request so far'] : table([['REQUEST', 'COUNT', 'T FLAG', 'RESULTS'], ...rows]);
  lines.push(
    '',
    `${breaches} breaches found, ${enforce ? 'answered with their errors' : 'tolerated where that is possible'}`,
  );
  if (counters.turnedDown > 0) {
    lines.push(`${counters.turnedDown} requests were for others, in a loop or too many, and were turned down unseen`);
  }
  if (findings.length > 0) lines.push('', ...countTable(findings));
  return lines.map(visible).join('\n');
}

function countTable(counts: HssFindings['counts']): string[] {
  const rows = counts.map(({ breach, count, id, message }) => [message, id, breach ? 'breach' : 'odd', String(count)]);
  return table([['MESSAGE', 'FINDING', '', 'COUNT'], ...rows]);
}

/** Rows of cells in columns, the first row a heading. */
export function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Text without control characters: names and words come from elsewhere. */
export function visible(line: string): string {
  let shown = '';
  for (const character of line) {
    shown += character < ' ' || (character >= '\x7f' && character <= '\x9f') ? '?' : character;
  }
  return shown;
}
