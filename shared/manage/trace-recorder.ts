import { hash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AvpList } from '#diameter/codec/avp-list';
import { decodeAddress } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { type DiameterMessage, HEADER_LENGTH, isRequest } from '#diameter/codec/message';
import { serverAssignmentTypes, userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxDictionary } from '#diameter/dictionary/cx';
import type { AvpDefinition, Dictionary } from '#diameter/dictionary/dictionary';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure, resultCodes } from '#diameter/errors';
import { readResult } from '#diameter/result';
import { maskSecrets } from '#service/secrets';
import type { JournalEntry } from '#sip/message/journal';
import type { Flow } from '#sip/transport/flow';

/** One message as one of its two ends saw it. */
export interface TraceEvent {
  /** Milliseconds, with fractions, of the clock that all processes of a machine share. */
  readonly t: number;
  /** Who reports. */
  readonly node: string;
  readonly kind: 'sip' | 'diameter';
  readonly dir: 'in' | 'out';
  /** The other end: `address:port`, or the Diameter name of the peer; empty when not known. */
  readonly peer: string;
  /** Origin-Host of a Diameter message. */
  readonly origin: string;
  /** First line of a SIP message; `UAR`, `UAA FIRST_REGISTRATION` and the like. */
  readonly head: string;
  /** The SIP message, or the AVPs of a Diameter message as lines; secrets are masked. */
  readonly text: string;
  /** What the reporting node changed on a message that it sends on, and which procedures did. */
  readonly journal: readonly JournalEntry[];
  /** The same for both ends of one message. */
  readonly key: string;
}

/** Where a node reports the messages that it receives and sends. */
export interface TraceSink {
  /** One SIP message as it is on the wire (latin1); `peer`: where it came from or goes to. */
  sip(dir: 'in' | 'out', text: string, peer: Flow, journal?: readonly JournalEntry[]): void;
  /** One Diameter message as it is on the wire; `peer`: the other end's Origin-Host, if that is known. */
  diameter(dir: 'in' | 'out', octets: Buffer, peer?: string): void;
}

/** The environment variable that names the unix socket of whoever collects. */
export const traceVariable = 'CSCF_TRACE_SOCKET';

/** More than this unread, and further events are dropped: tracing must not fill the memory of a node. */
const MAX_WAITING = 16 * 1024 * 1024;
const MAX_LINE = 4 * 1024 * 1024;

/**
 * Opens the trace of a node where the environment asks for one, else gives null. Nothing fails because of it: when the
 * collector is gone, events are dropped.
 */
export function openTrace(
  node: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): TraceSink | null {
  const path = env[traceVariable];
  if (path === undefined || path === '') return null;
  const socket = connect(path);
  socket.unref();
  socket.on('error', () => socket.destroy());
  return traceTo(node, (event) => {
    if (socket.destroyed || socket.writableLength > MAX_WAITING) return;
    socket.write(`${JSON.stringify(event)}\n`);
  });
}

/** A sink that hands events on in the same process. */
export function traceTo(node: string, emit: (event: TraceEvent) => void): TraceSink {
  // Not performance.timeOrigin: processes that start at once on a busy machine differ by milliseconds in it.
  const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
  return {
    sip(dir, text, peer, journal = []) {
      const masked = maskSecrets(text);
      emit({
        t: nowMs(),
        node,
        kind: 'sip',
        dir,
        peer: hostPort(peer.address, peer.port),
        origin: '',
        head: firstLine(masked),
        text: masked,
        journal: journal.map(maskEntry),
        key: hash('sha1', Buffer.from(text, 'latin1')),
      });
    },
    diameter(dir, octets, peer = '') {
      const { head, text, origin, key } = describeDiameter(octets);
      emit({ t: nowMs(), node, kind: 'diameter', dir, peer, origin, head, text, journal: [], key });
    },
  };
}

/** A running collector of events. */
export interface TraceListener {
  close(): Promise<void>;
}

/** Takes events of other processes at a unix socket. Rejects when it cannot be made. */
export async function listenForTrace(path: string, onEvent: (event: TraceEvent) => void): Promise<TraceListener> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) socket.destroy();
      for (const line of lines) {
        const event = readEvent(line);
        if (event !== null) onEvent(event);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readEvent(line: string): TraceEvent | null {
  try {
    const event = JSON.parse(line) as TraceEvent;
    return typeof event.key === 'string' && typeof event.node === 'string' ? event : null;
  } catch {
    return null;
  }
}

/** `address:port` as it stands in SIP. */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function firstLine(text: string): string {
  const end = text.indexOf('\r\n');
  return end < 0 ? text : text.slice(0, end);
}

function maskEntry({ procedure, before, after }: JournalEntry): JournalEntry {
  return {
    procedure,
    before: before === null ? null : maskSecrets(before),
    after: after === null ? null : maskSecrets(after),
  };
}

interface DiameterDescription {
  readonly head: string;
  readonly text: string;
  readonly origin: string;
  readonly key: string;
}

/** SIP-Authorization (XRES, or RAND and AUTS), keys, and H(A1). */
const secretAvps = new Set<AvpDefinition>([
  cxAvps.sipAuthorization,
  cxAvps.confidentialityKey,
  cxAvps.integrityKey,
  baseAvps.digestHa1,
]);
const commandLetters = new Map([
  [257, 'CE'],
  [280, 'DW'],
  [282, 'DP'],
  [300, 'UA'],
  [301, 'SA'],
  [302, 'LI'],
  [303, 'MA'],
  [304, 'RT'],
  [305, 'PP'],
  [265, 'AA'],
  [275, 'ST'],
  [258, 'RA'],
  [274, 'AS'],
]);

function describeDiameter(octets: Buffer): DiameterDescription {
  const isRx = octets.length >= HEADER_LENGTH && octets.readUInt32BE(8) === rxApplication.id;
  const dictionary = isRx ? rxDictionary : cxDictionary;
  const message = decodeMessage(octets, dictionary);
  if (message instanceof DecodeFailure) {
    const key = hash('sha1', octets);
    return { head: 'malformed Diameter message', text: message.reason, origin: '', key };
  }
  const letters = commandLetters.get(message.command) ?? `${message.command}-`;
  const lines: string[] = [];
  writeAvps(message.octets, message.avps, dictionary, '', lines);
  const request = isRequest(octets);
  const session = message.avps.text(baseAvps.sessionId) ?? '';
  return {
    head: `${letters}${request ? 'R' : 'A'}${request ? requestKind(message) : resultName(message)}`,
    text: lines.join('\n'),
    origin: message.avps.text(baseAvps.originHost) ?? '',
    key: `${letters}${request ? 'R' : 'A'} ${message.endToEnd} ${session}`,
  };
}

/** What tells a request from others of its command, with a blank before it. */
function requestKind(message: DiameterMessage): string {
  const assignment = message.avps.integer32(cxAvps.serverAssignmentType);
  if (assignment !== undefined) return ` ${nameOf(serverAssignmentTypes, assignment)}`;
  const authorization = message.avps.integer32(cxAvps.userAuthorizationType) ?? 0;
  return authorization === 0 ? '' : ` ${nameOf(userAuthorizationTypes, authorization)}`;
}

function resultName(message: DiameterMessage): string {
  const result = readResult(message);
  if (result === undefined) return '';
  return ` ${nameOf(result.kind === 'base' ? resultCodes : cxResultCodes, result.code).replace('ERROR_', '')}`;
}

function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  for (const [name, code] of Object.entries(table)) if (code === value) return name;
  return String(value);
}

function writeAvps(octets: Buffer, avps: AvpList, dictionary: Dictionary, indent: string, lines: string[]): void {
  avps.forEach((_offset, code, vendor, start, end, place) => {
    const definition = dictionary.find(code, vendor);
    const name = definition?.name ?? `AVP ${vendor === 0 ? '' : `${vendor >>> 0}:`}${code >>> 0}`;
    if (definition?.type === 'Grouped') {
      lines.push(`${indent}${name}:`);
      writeAvps(octets, avps.groupAt(place), dictionary, `${indent}  `, lines);
      return;
    }
    lines.push(`${indent}${name}: ${avpText(octets.subarray(start, end), definition)}`);
  });
}

function avpText(data: Buffer, definition: AvpDefinition | undefined): string {
  if (definition !== undefined && secretAvps.has(definition)) return '***';
  switch (definition?.type) {
    case 'Unsigned32':
      return String(data.readUInt32BE());
    case 'Address':
      return decodeAddress(data, 0, data.length) ?? data.toString('hex');
    case 'Enumerated':
    case 'Integer32':
      return String(data.readInt32BE());
    case 'UTF8String':
    case 'DiameterIdentity':
    case 'DiameterURI':
    case 'IPFilterRule':
      return printable(data);
    case 'OctetString':
      return definition === cxAvps.sipAuthenticate ? data.toString('hex') : printable(data);
    default:
      return data.toString('hex');
  }
}

/** Text where it is that, else hexadecimal. */
function printable(data: Buffer): string {
  for (const octet of data) {
    if ((octet < 0x20 && octet !== 0x0a && octet !== 0x0d && octet !== 0x09) || octet === 0x7f) {
      return data.toString('hex');
    }
  }
  return data.toString('utf8');
}
