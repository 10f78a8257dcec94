import { ParseFailure } from '#sip/errors';
import { isBlank, matchesAt, skipBlanks, trimEnd } from '#sip/uri/characters';
import { digitsEnd, formatHost, type HostSpan, ipv6Text, isIpv6At, portNumber, readHost } from '#sip/uri/host-port';
import {
  findParameter,
  isNamed,
  maxParameters,
  newParameterSpan,
  nextParameter,
  noParameters,
  type ParameterSpan,
  Parameters,
  scanHeaderParameter,
} from '#sip/uri/parameters';
import { tokenEnd } from './token.ts';

/** One Via value. */
export interface Via {
  /** Upper case: `UDP`, `TCP`, `TLS`, or whatever else was received. */
  readonly transport: string;
  /** Host of sent-by, lower case; IPv6 without brackets. */
  readonly host: string;
  /** Port of sent-by, 0 when there is none. */
  readonly port: number;
  readonly parameters: Parameters;
  /** '' when there is none. */
  readonly branch: string;
  /** Lower case, without brackets; '' when there is none. */
  readonly received: string;
  /** -1 when absent, 0 when present without value, else the port. */
  readonly rport: number;
  /** Lower case, without brackets; '' when there is none. */
  readonly maddr: string;
  /** The value as received. */
  readonly raw: string;
}

const span = newParameterSpan();
const sentBy: HostSpan = { host: '', end: 0 };

/**
 * Reads one Via value (a list is split before), blanks allowed where the grammar has them.
 *
 * A branch, received, rport or maddr given twice, an rport that is no port, and hosts that are none are failures.
 * Source: RFC 3261 20.42, RFC 3581 3.
 */
export function parseVia(value: string): Via | ParseFailure {
  let i = skipBlanks(value, 0, value.length);
  const to = trimEnd(value, i, value.length);
  let transport: string;
  let hostStart: number;
  // What nearly every Via begins with, in one comparison.
  if (value.slice(i, i + 12) === 'SIP/2.0/UDP ') {
    transport = 'UDP';
    hostStart = i + 12;
  } else {
    i = afterProtocol(value, i, to);
    if (i < 0) return new ParseFailure('not SIP/2.0', 0);
    hostStart = tokenEnd(value, i);
    if (hostStart === i || !isBlank(value.charCodeAt(hostStart))) return new ParseFailure('malformed transport', i);
    transport = value.slice(i, hostStart).toUpperCase();
  }
  hostStart = skipBlanks(value, hostStart, to);

  if (!readHost(value, hostStart, to, sentBy)) return new ParseFailure('malformed host', hostStart);
  const host = sentBy.host;
  i = skipBlanks(value, sentBy.end, to);
  let port = 0;
  if (i < to && value.charCodeAt(i) === 58) {
    const portStart = skipBlanks(value, i + 1, to);
    i = digitsEnd(value, portStart, to);
    port = portNumber(value, portStart, i);
    if (port < 0) return new ParseFailure('malformed port', portStart);
    i = skipBlanks(value, i, to);
  }

  const parametersFrom = i;
  let branch = '';
  let received = '';
  let maddr = '';
  let rport = -1;
  for (let count = 0; i < to; count++) {
    if (value.charCodeAt(i) !== 59) return new ParseFailure('unexpected character in Via', i);
    if (count === maxParameters) return new ParseFailure('too many parameters', i);
    i = scanHeaderParameter(value, i, to, span);
    if (i < 0) return new ParseFailure('malformed parameter', -1 - i);
    switch (span.nameEnd - span.nameStart) {
      case 6:
        if (!isNamed(value, span, 'branch')) break;
        if (branch !== '' || span.valueStart === span.valueEnd) return new ParseFailure('malformed branch', span.start);
        branch = value.slice(span.valueStart, span.valueEnd);
        break;
      case 8:
        if (!isNamed(value, span, 'received')) break;
        if (received !== '' || (received = hostValue(value, span)) === '') {
          return new ParseFailure('malformed received', span.start);
        }
        break;
      case 5:
        if (isNamed(value, span, 'rport')) {
          if (rport >= 0 || (rport = portValue(value, span)) < 0)
            return new ParseFailure('malformed rport', span.start);
        } else if (isNamed(value, span, 'maddr')) {
          if (maddr !== '' || (maddr = hostValue(value, span)) === '') {
            return new ParseFailure('malformed maddr', span.start);
          }
        }
        break;
    }
  }
  const parameters = parametersFrom === to ? noParameters : new Parameters(value.slice(parametersFrom, to));
  return { transport, host, port, parameters, branch, received, rport, maddr, raw: value };
}

/**
 * The transport and sent-by of a Via value that parseVia refuses, for an answer that says so: what follows the host and
 * its port may be anything, and so may the version. Of the parameters only rport is looked for; null when there is no
 * readable host.
 *
 * Source: RFC 3261 18.2.2; RFC 4475 3.1.2.1, 3.1.2.16; requirements C-23, X-S11.
 */
export function readSentBy(value: string): Via | null {
  const to = value.length;
  const start = skipBlanks(value, 0, to);
  const name = tokenEnd(value, start);
  const version = name === start ? -1 : afterSlash(value, name, to);
  const versionEnd = version < 0 ? -1 : tokenEnd(value, version);
  const transportStart = versionEnd <= version ? -1 : afterSlash(value, versionEnd, to);
  if (transportStart < 0) return null;
  const transportEnd = tokenEnd(value, transportStart);
  if (transportEnd === transportStart || !isBlank(value.charCodeAt(transportEnd))) return null;
  if (!readHost(value, skipBlanks(value, transportEnd, to), to, sentBy)) return null;
  const { host } = sentBy;
  let port = 0;
  const i = skipBlanks(value, sentBy.end, to);
  if (value.charCodeAt(i) === 58) {
    const portStart = skipBlanks(value, i + 1, to);
    port = Math.max(0, portNumber(value, portStart, digitsEnd(value, portStart, to)));
  }
  const transport = value.slice(transportStart, transportEnd).toUpperCase();
  const rport = findParameter(value, i, 'rport', span) ? 0 : -1;
  return { transport, host, port, parameters: noParameters, branch: '', received: '', rport, maddr: '', raw: value };
}

/** Position after `SIP/2.0/` and the blanks in and after it, -1 when it is not there. */
function afterProtocol(text: string, from: number, to: number): number {
  if (to - from < 12 || !matchesAt(text, from, 'sip')) return -1;
  const i = afterSlash(text, from + 3, to);
  return i >= 0 && matchesAt(text, i, '2.0') ? afterSlash(text, i + 3, to) : -1;
}

function afterSlash(text: string, from: number, to: number): number {
  const slash = skipBlanks(text, from, to);
  return text.charCodeAt(slash) === 47 ? skipBlanks(text, slash + 1, to) : -1;
}

/** Host in a parameter, IPv6 with or without brackets; '' when it is none. Source: RFC 5118 4.5. */
function hostValue(text: string, at: ParameterSpan): string {
  const { valueStart, valueEnd } = at;
  if (valueStart === valueEnd) return '';
  if (isIpv6At(text, valueStart, valueEnd)) return ipv6Text(text, valueStart, valueEnd);
  return readHost(text, valueStart, valueEnd, sentBy) && sentBy.end === valueEnd ? sentBy.host : '';
}

/** Port in a parameter: 0 without value, -1 when it is none. */
function portValue(text: string, at: ParameterSpan): number {
  const { valueStart, valueEnd } = at;
  if (valueStart === valueEnd) return 0;
  return digitsEnd(text, valueStart, valueEnd) === valueEnd ? portNumber(text, valueStart, valueEnd) : -1;
}

/** Writes a Via value; branch, received and the like are taken from its parameters. */
export function formatVia(via: Pick<Via, 'transport' | 'host' | 'port' | 'parameters'>): string {
  const port = via.port === 0 ? '' : `:${via.port}`;
  return `SIP/2.0/${via.transport} ${formatHost(via.host)}${port}${via.parameters.raw}`;
}

/**
 * Writes where a request came from into its topmost Via value, the rest left byte for byte.
 *
 * `received` replaces what the peer wrote there or is added at the end; null takes the peer's away. `rport` fills the
 * parameter if the peer asked for it, and is left out otherwise; null leaves it as it is.
 * Source: RFC 3261 18.2.1, RFC 3581 4.
 */
export function withReceived(value: string, received: string | null, rport: number | null): string {
  let text = '';
  let from = 0;
  let filled = false;
  let replaced = false;
  for (let at = 0; nextParameter(value, at, span); at = span.end) {
    if (rport !== null && isNamed(value, span, 'rport')) {
      text += filled ? value.slice(from, span.start) : `${value.slice(from, span.nameEnd)}=${rport}`;
      filled = true;
    } else if (isNamed(value, span, 'received')) {
      const keep = received !== null && !replaced;
      text += keep ? `${value.slice(from, span.nameEnd)}=${received}` : value.slice(from, span.start);
      replaced = true;
    } else {
      continue;
    }
    from = span.end;
  }
  text = from === 0 ? value : text + value.slice(from);
  return received === null || replaced ? text : `${text.slice(0, trimEnd(text, 0, text.length))};received=${received}`;
}
