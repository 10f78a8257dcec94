import { isIPv6 } from 'node:net';
import { kernelAlgorithms } from './xfrm-algorithms.ts';
import type { AssociationName, GuardPolicy, KernelAssociation, XfrmChange, XfrmFault } from './xfrm-link.ts';

/*
 * The language of iproute2's `ip -s xfrm`: commands that it reads and tables that it prints (in UTC, without keys).
 */

/** One line for `ip -batch`, without its end. Throws IpsecError as `kernelAlgorithms` does. It may hold keys. */
export function changeCommand(change: XfrmChange): string {
  switch (change.kind) {
    case 'add':
      return addCommand(change);
    case 'extend':
      return [
        `xfrm state update ${nameWords(change.association)} mode transport enc ecb(cipher_null) ""`,
        `limit time-hard ${change.hardSeconds}`,
      ].join(' ');
    case 'delete':
      return `xfrm state delete ${nameWords(change.association)}`;
    case 'guard':
      return `xfrm policy update ${policyWords(change.policy)} ${templateWords(change.policy)}`;
    case 'unguard':
      return `xfrm policy delete ${policyWords(change.policy)}`;
  }
}

function addCommand({ association, tag, window }: XfrmChange & { readonly kind: 'add' }): string {
  const { source, destination, spi } = association;
  const algorithms = kernelAlgorithms(association).map(({ kind, name, key, bits }) => {
    const octets = key.length === 0 ? '""' : `0x${key.toString('hex')}`;
    if (kind === 'cipher') return `enc ${name} ${octets}`;
    return `${kind === 'combined' ? 'aead' : 'auth-trunc'} ${name} ${octets} ${bits}`;
  });
  return [
    `xfrm state add ${nameWords({ source: source.address, destination: destination.address, spi })}`,
    `reqid ${tag} mode transport replay-window ${window} replay-oseq ${association.firstSequence}`,
    ...algorithms,
    `limit time-hard ${association.lifetimeSeconds}`,
    `sel src ${source.address} dst ${destination.address} sport ${source.port} dport ${destination.port}`,
  ].join(' ');
}

function nameWords({ source, destination, spi }: AssociationName): string {
  return `src ${source} dst ${destination} proto esp spi ${spi}`;
}

function policyWords({ direction, local, protocol }: GuardPolicy): string {
  const anybody = isIPv6(local.address) ? '::/0' : '0.0.0.0/0';
  const here = local.address === '0.0.0.0' || local.address === '::' ? anybody : local.address;
  const ends = direction === 'in' ? `src ${anybody} dst ${here}` : `src ${here} dst ${anybody}`;
  const port = direction === 'in' ? 'dport' : 'sport';
  return `${ends} proto ${protocol === 6 ? 'tcp' : 'udp'} ${port} ${local.port} dir ${direction}`;
}

function templateWords({ local, tag }: GuardPolicy): string {
  const none = isIPv6(local.address) ? '::' : '0.0.0.0';
  return `tmpl src ${none} dst ${none} proto esp reqid ${tag} mode transport level required`;
}

/** The associations in what `xfrm state list` printed. */
export function readAssociations(lines: readonly string[]): KernelAssociation[] {
  return entriesOf(lines).flatMap((entry) => {
    const [tag, spi] = [wordAfter(entry, 'reqid'), wordAfter(entry, 'spi')];
    const at = entry.findIndex((line) => line.startsWith('sel '));
    if (tag === null || spi === null || at < 0 || wordAfter(entry, 'proto') !== 'esp') return [];
    const selector = entry.slice(at);
    const end = (address: string, port: string) => ({
      address: (wordAfter(selector, address) ?? '').replace(/\/.*/, ''),
      port: Number(wordAfter(selector, port) ?? 0),
    });
    return [
      {
        source: end('src', 'sport'),
        destination: end('dst', 'dport'),
        spi: Number.parseInt(spi, 16),
        tag: Number.parseInt(tag, 10),
        user: Number(wordAfter(selector, 'uid') ?? 0),
        addedAtSeconds: addedAt(selector),
        hardSeconds: hardLimit(selector),
      },
    ];
  });
}

/** The guards in what `xfrm policy list` printed. */
export function readGuards(lines: readonly string[]): GuardPolicy[] {
  return entriesOf(lines).flatMap((entry) => {
    const [tag, direction] = [wordAfter(entry, 'reqid'), wordAfter(entry, 'dir')];
    if (tag === null || (direction !== 'in' && direction !== 'out')) return [];
    const [address, port] = direction === 'in' ? ['dst', 'dport'] : ['src', 'sport'];
    const local = {
      address: (wordAfter(entry, address) ?? '').replace(/\/.*/, ''),
      port: Number(wordAfter(entry, port) ?? 0),
    };
    const protocol = protocolNumber(wordAfter(entry, 'proto'));
    if (local.port === 0 || protocol === null) return [];
    return [{ direction, local, protocol, tag: Number.parseInt(tag, 10) }];
  });
}

function protocolNumber(word: string | null): number | null {
  return word === 'udp' ? 17 : word === 'tcp' ? 6 : null;
}

/** Entries begin at the margin; their other lines are indented. */
function entriesOf(lines: readonly string[]): string[][] {
  const entries: string[][] = [];
  for (const line of lines) {
    if (line.startsWith('src ')) entries.push([line]);
    else entries.at(-1)?.push(line.trim());
  }
  return entries;
}

function wordAfter(lines: readonly string[], word: string): string | null {
  for (const line of lines) {
    const words = line.split(/\s+/);
    const at = words.indexOf(word);
    if (at >= 0) return words[at + 1] ?? null;
  }
  return null;
}

function addedAt(lines: readonly string[]): number {
  const line = lines.find((each) => /^add \d/.test(each));
  const [, day, time] = line?.split(' ') ?? [];
  return day === undefined ? 0 : Math.floor(Date.parse(`${day}T${time}Z`) / 1000);
}

function hardLimit(lines: readonly string[]): number {
  const line = lines.find((each) => each.startsWith('expire add:'));
  return Number(/hard (\d+)/.exec(line ?? '')?.[1] ?? 0);
}

const errnoByWords = new Map([
  ['Operation not permitted', 1],
  ['No such file or directory', 2],
  ['No such process', 3],
  ['Permission denied', 13],
  ['File exists', 17],
  ['Invalid argument', 22],
  ['Function not implemented', 38],
  ['Protocol not supported', 93],
  ['Requested type not found', 93],
  ['Address family not supported by protocol', 97],
  ['No buffer space available', 105],
]);

/** What `ip -batch` says after the reason. */
export const commandFailed = 'Command failed';

/** Whether a line that `ip` printed is the reason of a failure. */
export function isFault(line: string): boolean {
  return line.startsWith('RTNETLINK answers: ') || line.startsWith('Error: ');
}

/** What went wrong by the lines that one command printed, or null. What could be a key is left out. */
export function readFault(lines: readonly string[]): XfrmFault | null {
  if (!lines.some((line) => line.startsWith(commandFailed))) return null;
  const said = lines.find(isFault) ?? '';
  const words = said.replace(/^(RTNETLINK answers|Error): /, '').replace(/\.$/, '');
  const errno = errnoByWords.get(words);
  if (errno !== undefined) return { errno, text: null };
  return { errno: 22, text: words === '' ? null : words.replace(/0x[0-9a-f]{8,}/gi, '...') };
}
