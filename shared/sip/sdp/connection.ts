import { ParseFailure } from '#sip/errors';
import { decimalAt } from '#sip/header/number-value';
import { isIpAddress } from '#sip/uri/host-port';
import { wordsOf } from './sdp-lines.ts';

/** Connection data: where media is to be sent. */
export interface Connection {
  /** `IN` nearly always. */
  readonly networkType: string;
  /** `IP4`, `IP6`, or as received. */
  readonly addressType: string;
  /** Address or host name, IPv6 without brackets; TTL and count are not part of it. */
  readonly address: string;
  /** Multicast only; -1 when absent. */
  readonly ttl: number;
  /** How many contiguous multicast addresses; 1 when it is not said. */
  readonly count: number;
}

const maxCount = 0xffff;

/** Reads the value of a c= line. Source: RFC 8866 5.7. */
export function parseConnection(value: string): Connection | ParseFailure {
  const [networkType, addressType, rest, more] = wordsOf(value, 4);
  if (networkType === undefined || addressType === undefined || rest === undefined || more !== undefined) {
    return new ParseFailure('malformed connection data');
  }
  const slash = rest.indexOf('/');
  const address = slash < 0 ? rest : rest.slice(0, slash);
  if (address === '') return new ParseFailure('connection data without an address');
  if (slash < 0) return { networkType, addressType, address, ttl: -1, count: 1 };
  const numbers = suffixNumbers(rest, slash);
  if (numbers instanceof ParseFailure) return numbers;
  // IPv6 has no TTL, so that its only number is the count.
  const [ttl, count] = addressType.toUpperCase() === 'IP6' ? [-1, numbers[0]!] : [numbers[0]!, numbers[1] ?? 1];
  return { networkType, addressType, address, ttl, count };
}

/** The one or two numbers behind slashes. */
function suffixNumbers(text: string, slash: number): number[] | ParseFailure {
  const second = text.indexOf('/', slash + 1);
  const first = decimalAt(text, slash + 1, second < 0 ? text.length : second, maxCount);
  if (first instanceof ParseFailure) return new ParseFailure('malformed multicast suffix');
  if (second < 0) return [first];
  const last = decimalAt(text, second + 1, text.length, maxCount);
  return last instanceof ParseFailure ? new ParseFailure('malformed multicast suffix') : [first, last];
}

/** Writes the value of a c= line. */
export function formatConnection(connection: Connection): string {
  const { networkType, addressType, address, ttl, count } = connection;
  let text = `${networkType} ${addressType} ${address}`;
  if (ttl >= 0) text += `/${ttl}`;
  return count > 1 ? `${text}/${count}` : text;
}

/** Connection data for an IP address, of the family that it has. */
export function connectionTo(address: string): Connection {
  const addressType = isIpAddress(address) === 6 ? 'IP6' : 'IP4';
  return { networkType: 'IN', addressType, address, ttl: -1, count: 1 };
}

/** Whether it names no address at all (`0.0.0.0`, `::`), the old way to hold a stream. Source: RFC 3264 8.4. */
export function isUnspecified({ address }: Connection): boolean {
  if (isIpAddress(address) === 0) return false;
  for (let i = 0; i < address.length; i++) if (!'0.:'.includes(address[i]!)) return false;
  return true;
}
