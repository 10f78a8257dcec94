import type { NodeStatus } from '#service/node-status';
import { table, visible } from './table.ts';

/** The status for people: a heading, then one table per subject. */
export function statusView(status: NodeStatus): string {
  const { role, name, version, pid, uptimeSeconds, serving, registrations } = status;
  const lines = [
    `${role} ${name}, version ${version}, pid ${pid}, up ${duration(uptimeSeconds)}${serving ? '' : ', draining'}`,
    `registrations ${registrations}`,
  ];
  const section = (heading: string[], rows: string[][]) =>
    lines.push('', ...(rows.length === 0 ? [`${heading[0]!.toLowerCase()}: none`] : table([heading, ...rows])));
  section(
    ['WORKER', 'STATE', 'MESSAGES', 'SHARE', 'BUSY', 'SHED', 'RESTARTS'],
    status.workers.map(({ worker, state, messages, busy, shed, restarts }) => {
      const all = status.workers.reduce((sum, other) => sum + other.messages, 0);
      const share = percent(all === 0 ? 0 : messages / all);
      return [String(worker), state, String(messages), share, percent(busy), String(shed), String(restarts)];
    }),
  );
  section(
    ['LISTENER', 'SERVES'],
    status.listeners.map(({ address, sides }) => [address, sides.join(', ')]),
  );
  section(
    ['PEER', 'ADDRESS', 'STATE', ''],
    status.peers.map(({ host, address, state, words }) => [host, address, state, words]),
  );
  const { ipsec, overload } = status;
  if (ipsec !== undefined) {
    const drops = Object.entries(ipsec.dropped).filter(([, count]) => count > 0);
    const dropped =
      drops.length === 0
        ? 'nothing dropped'
        : `dropped: ${drops.map(([cause, count]) => `${cause} ${count}`).join(', ')}`;
    lines.push('', `IPsec by the ${ipsec.backend}: ${ipsec.sets} sets, ${ipsec.associations} associations; ${dropped}`);
  }
  if (overload !== undefined && Object.keys(overload.shed).length > 0) {
    const { waiting, delayMs, penalisedSources, shed } = overload;
    lines.push('', `${waiting} messages wait, a new request ${delayMs} ms; ${penalisedSources} sources are not heard`);
    section(
      ['SHED', 'COUNT'],
      Object.entries(shed).map(([name, count]) => [name, String(count)]),
    );
  }
  section(
    ['REASON', 'COUNT'],
    Object.entries(status.reasons)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]) => [reason, String(count)]),
  );
  return lines.map(visible).join('\n');
}

/** `1 d 2 h`, `3 min 4 s`: the two largest units. */
export function duration(seconds: number): string {
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  let rest = Math.floor(seconds);
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || (unit === 's' && parts.length === 0)) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
