import { maxInput } from './mutate.ts';
import type { Random } from './random.ts';

/** One AVP as it stands in a message, or as it is going to. */
interface Node {
  code: number;
  flags: number;
  vendor: number;
  /** Members where the data can be read as AVPs, else the data. */
  data: string | Node[];
  /** By how much the length that is written is wrong. */
  lie: number;
}

/** A message taken apart; `rest` is what follows its last AVP. */
interface Tree {
  head: string;
  avps: Node[];
  rest: string;
}

const headerLength = 20;
const edges = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2001, 5001, 10415, 13019];
const lies = [-12, -9, -8, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 8, 100, 0xff_0000];
const commands = [257, 258, 265, 274, 275, 280, 282, 300, 301, 302, 303, 304, 305, 999];
const applications = [0, 16_777_216, 16_777_217, 16_777_236, 4, 0xffff_ffff];

function uint(text: string, at: number, octets: number): number {
  let value = 0;
  for (let i = 0; i < octets; i++) value = value * 256 + (text.charCodeAt(at + i) || 0);
  return value;
}

function octetsOf(value: number, octets: number): string {
  let text = '';
  for (let i = octets - 1; i >= 0; i--) text += String.fromCharCode(Math.floor(value / 256 ** i) & 0xff);
  return text;
}

function parse(text: string): Tree {
  const { avps, end } = parseAvps(text, headerLength, 0);
  return { head: text.slice(0, headerLength).padEnd(headerLength, '\0'), avps, rest: text.slice(end) };
}

function parseAvps(text: string, start: number, depth: number): { avps: Node[]; end: number } {
  const avps: Node[] = [];
  let at = start;
  while (at + 8 <= text.length) {
    const flags = text.charCodeAt(at + 4);
    const dataStart = at + (flags & 0x80 ? 12 : 8);
    const dataEnd = at + uint(text, at + 5, 3);
    if (dataEnd < dataStart || dataEnd > text.length) break;
    const data = text.slice(dataStart, dataEnd);
    const vendor = flags & 0x80 ? uint(text, at + 8, 4) : 0;
    avps.push({ code: uint(text, at, 4), flags, vendor, data: membersOf(data, depth), lie: 0 });
    at = (dataEnd + 3) & ~3;
  }
  return { avps, end: Math.max(start, Math.min(at, text.length)) };
}

/** Data that are AVPs to the last octet are members. */
function membersOf(data: string, depth: number): string | Node[] {
  if (data.length < 8 || (data.length & 3) !== 0 || depth > 10) return data;
  const { avps, end } = parseAvps(data, 0, depth + 1);
  return end === data.length && avps.length > 0 ? avps : data;
}

function write({ avps, head, rest }: Tree): string {
  const body = avps.map(writeNode).join('') + rest;
  return head[0] + octetsOf(headerLength + body.length, 3) + head.slice(4) + body;
}

function writeNode({ code, data, flags, lie, vendor }: Node): string {
  const octets = typeof data === 'string' ? data : data.map(writeNode).join('');
  const head = flags & 0x80 ? 12 : 8;
  const length = Math.max(0, Math.min(0xff_ffff, head + octets.length + lie));
  const text = octetsOf(code, 4) + String.fromCharCode(flags) + octetsOf(length, 3);
  const padding = '\0'.repeat(-octets.length & 3);
  return text + (flags & 0x80 ? octetsOf(vendor, 4) : '') + octets + padding;
}

/** A list of AVPs somewhere in the tree: of the message, or of a group. */
function listIn(tree: Tree, random: Random): Node[] {
  let list = tree.avps;
  for (;;) {
    const groups = list.filter(({ data }) => typeof data !== 'string');
    if (groups.length === 0 || random.chance(2)) return list;
    list = random.pick(groups).data as Node[];
  }
}

function copyOf(node: Node): Node {
  return { ...node, data: typeof node.data === 'string' ? node.data : node.data.map(copyOf) };
}

type Change = (list: Node[], place: number, donor: Tree, random: Random) => void;

const changes: readonly Change[] = [
  (list, place) => void list.splice(place, 1),
  (list, place, _, random) => {
    const copies = Array.from({ length: random.chance(10) ? 64 : random.length(4) }, () => copyOf(list[place]!));
    list.splice(place, 0, ...copies);
  },
  (list, place, _, random) => list.push(...list.splice(place, 1 + random.below(3))),
  (list, place, donor, random) => {
    const from = listIn(donor, random);
    if (from.length > 0) list.splice(place, random.below(2), copyOf(random.pick(from)));
  },
  (list, place, _, random) => {
    list[place]!.lie = random.pick(lies);
  },
  (list, place, _, random) => {
    list[place]!.flags ^= 1 << random.below(8);
  },
  (list, place, _, random) => {
    list[place]!.code = random.chance(2) ? random.pick(edges) : random.below(1100);
  },
  (list, place, _, random) => {
    list[place]!.vendor = random.pick(edges);
  },
  (list, place, _, random) => {
    list[place]!.data = octetsOf(random.pick(edges), random.pick([0, 1, 2, 3, 4, 5, 8]));
  },
  (list, place, _, random) => {
    const node = list[place]!;
    if (typeof node.data !== 'string') return;
    const at = random.below(node.data.length + 1);
    const octet = random.chance(3) ? '\0' : String.fromCharCode(random.below(256));
    node.data = node.data.slice(0, at) + octet.repeat(random.length(8)) + node.data.slice(at + random.below(3));
  },
  (list, place, _, random) => {
    const node = list[place]!;
    if (typeof node.data === 'string') node.data = node.data.slice(0, random.below(node.data.length + 1));
  },
  // Inside itself, some levels deep.
  (list, place, _, random) => {
    for (let levels = random.length(12); levels > 0; levels--) {
      const inner = copyOf(list[place]!);
      list[place] = { ...inner, data: [inner], lie: 0 };
    }
  },
  // Inside a group of the other message.
  (list, place, donor, random) => {
    const groups = donor.avps.filter(({ data }) => typeof data !== 'string');
    if (groups.length > 0) list[place] = { ...random.pick(groups), data: [copyOf(list[place]!)], lie: 0 };
  },
];

function changeHead(head: string, random: Random): string {
  switch (random.below(5)) {
    case 0:
      return head.slice(0, 4) + String.fromCharCode(head.charCodeAt(4) ^ (1 << random.below(8))) + head.slice(5);
    case 1:
      return head.slice(0, 5) + octetsOf(random.pick(commands), 3) + head.slice(8);
    case 2:
      return head.slice(0, 8) + octetsOf(random.pick(applications), 4) + head.slice(12);
    case 3:
      return String.fromCharCode(random.below(3)) + head.slice(1);
    default:
      return head.slice(0, 12) + octetsOf(random.pick(edges), 4) + octetsOf(random.pick(edges), 4);
  }
}

/** Octets changed without regard to what they are. */
function disturb(text: string, donor: string, random: Random): string {
  const at = random.below(text.length);
  switch (random.below(5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + random.length(16));
    case 2:
      return text.slice(0, at) + String.fromCharCode(random.below(256)).repeat(random.length(16)) + text.slice(at);
    case 3:
      return text + donor;
    default:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
  }
}

/** Another Diameter message made of one or two known ones; most of its lengths are right. */
export function mutateDiameter(text: string, donor: string, random: Random): string {
  const tree = parse(text);
  const other = parse(donor);
  for (let rounds = random.length(5); rounds > 0; rounds--) {
    const list = listIn(tree, random);
    if (list.length === 0 || random.chance(12)) tree.head = changeHead(tree.head, random);
    else random.pick(changes)(list, random.below(list.length), other, random);
  }
  const result = write(tree);
  const octets = random.chance(6) ? disturb(result, donor, random) : result;
  return octets.length > maxInput ? octets.slice(0, maxInput) : octets;
}
