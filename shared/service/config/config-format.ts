import { isIP } from 'node:net';
import { parseCidr } from '../cidr.ts';
import {
  type AddressFault,
  isDomain,
  isFault,
  isWildcard,
  parseAdvertise,
  parseEndpoint,
  splitHostPort,
} from './address.ts';

/** What a text of a schema `format` must be: undefined when it is right. */
export type FormatCheck = (text: string) => AddressFault | undefined;

const fault = (text: string, what: string, suggestion: string): AddressFault => ({
  fault: `"${text}" is not ${what}`,
  suggestion,
});

function asFault(parsed: object): AddressFault | undefined {
  return isFault(parsed) ? parsed : undefined;
}

function hex(bits: number, example: string): FormatCheck {
  const digits = bits / 4;
  return (text) =>
    text.length === digits && /^[0-9a-fA-F]+$/.test(text)
      ? undefined
      : {
          fault: `has ${text.length} characters, needed are ${digits} hexadecimal digits`,
          suggestion: `write ${bits / 8} octets such as "${example}"`,
        };
}

/** A listener in its short form names one address: a wildcard would put 0.0.0.0 into Via and Record-Route. */
function listener(text: string): AddressFault | undefined {
  const parsed = parseEndpoint(text);
  if (isFault(parsed)) return parsed;
  if (!isWildcard(parsed.address)) return undefined;
  return {
    fault: `${parsed.address} without advertise: Via and Record-Route would carry ${parsed.address}, and no answer would come back`,
    suggestion: `name one address, or write { listen: "${text}", advertise: HOST } with what others reach this node by`,
  };
}

function sipUri(text: string): AddressFault | undefined {
  const wanted = fault(text, 'a SIP URI of a node', 'write sip:host, sip:host:port or sip:name@host:port');
  const scheme = text.startsWith('sip:') ? 4 : text.startsWith('sips:') ? 5 : 0;
  if (scheme === 0 || /[\s<>"]/.test(text)) return wanted;
  const afterUser = text.slice(text.indexOf('@') + 1 || scheme);
  const host = afterUser.split(';', 1)[0]!;
  const bare = splitHostPort(host)?.host ?? (host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host);
  return isIP(bare) > 0 || isDomain(bare) ? undefined : wanted;
}

function impu(text: string): AddressFault | undefined {
  const at = text.indexOf('@');
  const sip = text.startsWith('sip:') && at > 4 && isDomain(text.slice(at + 1));
  const tel = /^tel:\+?[0-9]{1,32}(?:;\S*)?$/.test(text);
  return sip || tel ? undefined : fault(text, 'a public identity', 'write sip:user@domain or "tel:+15550001"');
}

/** An identity, or a wildcarded one: a regular expression stands between two `!`. Source: TS 23.003 13.4, 13.5. */
function identity(text: string): AddressFault | undefined {
  const open = text.indexOf('!');
  const close = text.lastIndexOf('!');
  if (open < 0) return impu(text);
  const plain = close > open + 1 && !/\s/.test(text) ? `${text.slice(0, open)}1${text.slice(close + 1)}` : '';
  return impu(plain) === undefined
    ? undefined
    : fault(text, 'a wildcarded identity', 'write the expression between two !, as in "sip:chat!.*!@ims.test"');
}

function impi(text: string): AddressFault | undefined {
  const at = text.indexOf('@');
  const fine = at > 0 && !/\s/.test(text) && isDomain(text.slice(at + 1));
  return fine ? undefined : fault(text, 'a private identity', 'write user@domain, without sip:');
}

function nameServer(text: string): AddressFault | undefined {
  const host = isIP(text) > 0 ? text : splitHostPort(text)?.host;
  if (host !== undefined && isIP(host) > 0) return undefined;
  return fault(text, 'the address of a name server', 'write 192.0.2.53, 192.0.2.53:5353 or "[2001:db8::53]:53"');
}

function tcpEndpoint(text: string): AddressFault | undefined {
  const parsed = parseEndpoint(text);
  if (isFault(parsed) || parsed.transport === 'tcp') return asFault(parsed);
  return fault(text, 'a TCP address', 'write tcp:127.0.0.1:3868');
}

/** Source: RFC 3261 25.1 (server-val). */
const product = /^[\w.!%*+`'~-]+(?:\/[\w.!%*+`'~-]+)?(?: (?:[\w.!%*+`'~-]+(?:\/[\w.!%*+`'~-]+)?|\([ !-'*-[\]-~]*\)))*$/;

/** Checks of the `format` keywords in config/schema. */
export const configFormats: ReadonlyMap<string, FormatCheck> = new Map<string, FormatCheck>([
  ['listener', listener],
  ['endpoint', (text) => asFault(parseEndpoint(text))],
  ['tcp-endpoint', tcpEndpoint],
  ['name-server', nameServer],
  ['advertise', (text) => asFault(parseAdvertise(text))],
  ['cidr', (text) => asFault(parseCidr(text))],
  [
    'domain',
    (text) =>
      isDomain(text)
        ? undefined
        : fault(text, 'a host name', 'write letters, digits, hyphens and dots, as in pcscf.ims.test'),
  ],
  [
    'host',
    (text) =>
      isDomain(text) || isIP(text) > 0
        ? undefined
        : fault(text, 'an address or host name', 'write 127.0.0.1, ::1 or hss.ims.test'),
  ],
  [
    'ip',
    (text) =>
      isIP(text) > 0 ? undefined : fault(text, 'an IP address', 'write 192.0.2.1, or in quotes "2001:db8::1"'),
  ],
  [
    'product',
    (text) =>
      text.length <= 128 && product.test(text)
        ? undefined
        : fault(text, 'a product name', 'write name, name/version and comments in brackets: cscf/1.0 (lab)'),
  ],
  [
    'path',
    (text) => (text === '' || text.includes('\0') ? fault(text, 'a path', 'write a file or folder name') : undefined),
  ],
  ['sip-uri', sipUri],
  [
    'called-number',
    (text) =>
      /^(?:\+[0-9]+|[0-9*#]+)$/.test(text)
        ? undefined
        : fault(text, 'a telephone number', 'write it as it is dialled, without blanks: "112", "+15551234"'),
  ],
  ['impi', impi],
  ['impu', impu],
  ['identity', identity],
  [
    'numbered',
    (text) =>
      /^[^\s%]*%0?[1-9]?d[^\s%]*$/.test(text)
        ? undefined
        : fault(text, 'a numbered name', 'put the number in as %06d: user%06d'),
  ],
  ['hex-128', hex(128, '465b5ce8b199b49faa5f0a2ee238a6bc')],
  ['hex-48', hex(48, '000000000020')],
  ['hex-16', hex(16, '8000')],
]);
