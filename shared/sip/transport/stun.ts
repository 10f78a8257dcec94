/** What a STUN message begins with: type, length, magic cookie, transaction id; twenty octets. */
const headerOctets = 20;
const magicCookie = 0x2112a442;
const bindingRequest = 0x0001;
const bindingSuccess = 0x0101;
const bindingError = 0x0111;
const errorCode = 0x0009;
const unknownAttributes = 0x000a;
const xorMappedAddress = 0x0020;
/** No keep-alive is as long. */
const maxOctets = 548;
const maxAttributes = 16;

/**
 * The answer to a datagram that is a STUN Binding request, as UEs without IPsec send to keep their NAT open: the address and
 * port they are seen at, or 420 where they ask for something that they insist on. Null for any other datagram. Datagrams are
 * latin1 strings. `address`: without brackets.
 *
 * Source: RFC 8489 5, 6.3; RFC 5626 8; requirement P-140.
 */
export function answerBinding(text: string, address: string, port: number): string | null {
  if (text.length < headerOctets || text.length > maxOctets || word(text, 0) !== bindingRequest) return null;
  if (word(text, 4) * 0x10000 + word(text, 6) !== magicCookie) return null;
  if (word(text, 2) !== text.length - headerOctets || text.length % 4 !== 0) return null;
  const asked = insistedOn(text);
  if (asked === null) return null;
  const transaction = text.slice(4, headerOctets);
  if (asked === '') return message(bindingSuccess, transaction, mappedAddress(transaction, address, port));
  const reason = 'Unknown Attribute';
  const error = attribute(errorCode, `\0\0\x04\x14${reason}`) + attribute(unknownAttributes, asked);
  return message(bindingError, transaction, error);
}

/** Types of attributes that must be understood, none of which is; null for a malformed message. */
function insistedOn(text: string): string | null {
  let found = '';
  let at = headerOctets;
  for (let i = 0; at < text.length; i++) {
    if (i >= maxAttributes || at + 4 > text.length) return null;
    if (word(text, at) < 0x8000) found += text.slice(at, at + 2);
    at += 4 + ((word(text, at + 2) + 3) & ~3);
  }
  return at === text.length ? found : null;
}

/** Source: RFC 8489 14.2. */
function mappedAddress(transaction: string, address: string, port: number): string {
  const octets = octetsOf(address);
  let masked = '';
  for (let i = 0; i < octets.length; i++) masked += String.fromCharCode(octets[i]! ^ transaction.charCodeAt(i));
  const family = octets.length === 4 ? 1 : 2;
  return attribute(
    xorMappedAddress,
    `\0${String.fromCharCode(family)}${twoOctets(port ^ (magicCookie >>> 16))}${masked}`,
  );
}

/** The 4 or 16 octets of an address literal. */
function octetsOf(address: string): number[] {
  const zone = address.indexOf('%');
  const literal = zone < 0 ? address : address.slice(0, zone);
  const [head = '', tail] = literal.split('::');
  const left = head === '' ? [] : head.split(':').flatMap(groupOctets);
  if (tail === undefined) return left;
  const right = tail === '' ? [] : tail.split(':').flatMap(groupOctets);
  return [...left, ...new Array<number>(Math.max(0, 16 - left.length - right.length)).fill(0), ...right];
}

/** Octets of `7f00`, or of the dotted part of an address. */
function groupOctets(group: string): number[] {
  if (group.includes('.')) return group.split('.').map(Number);
  const value = Number.parseInt(group, 16);
  return [value >>> 8, value & 0xff];
}

function message(type: number, transaction: string, attributes: string): string {
  return twoOctets(type) + twoOctets(attributes.length) + transaction + attributes;
}

function attribute(type: number, value: string): string {
  return twoOctets(type) + twoOctets(value.length) + value + '\0'.repeat((4 - (value.length % 4)) % 4);
}

function twoOctets(value: number): string {
  return String.fromCharCode((value >>> 8) & 0xff, value & 0xff);
}

function word(text: string, at: number): number {
  return text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
}
