import { ParseFailure } from '#sip/errors';
import { type Contacts, contactWithExpires, parseContacts } from '#sip/header/contact';
import { parseCSeq } from '#sip/header/cseq';
import { splitListValues } from '#sip/header/list-values';
import { parseNameAddr, tagOf } from '#sip/header/name-addr';
import { parseVia, withReceived } from '#sip/header/via';
import { parseSipUri, type SipUri, sipUriEquals } from '#sip/uri/sip-uri';
import { parseTelUri } from '#sip/uri/tel-uri';
import { parseUri } from '#sip/uri/uri';

export interface MicroBench {
  readonly name: string;
  /** Does so many iterations; gives a number that depends on all of them. */
  run(iterations: number): number;
  /** A plain way of doing the same, in the same run. */
  readonly baseline?: { readonly name: string; run(iterations: number): number };
}

/** Several copies, so that no run sees one string object only. */
function variants(text: string, mark: string): string[] {
  return Array.from({ length: 16 }, (_, i) => text.replace(mark, String(i + 10)));
}

/** The texts as slices of a message, as the parser hands them over. */
function sliced(texts: readonly string[]): string[] {
  const message = Buffer.from(texts.join('\r\n'), 'latin1').toString('latin1');
  let at = 0;
  return texts.map((text) => {
    const slice = message.slice(at, at + text.length);
    at += text.length + 2;
    return slice;
  });
}

function loop<T>(texts: readonly string[], parse: (text: string) => T | ParseFailure, measure: (value: T) => number) {
  return (iterations: number): number => {
    let sum = 0;
    for (let i = 0; i < iterations; i++) {
      const value = parse(texts[i & 15]!);
      if (value instanceof ParseFailure) throw new Error(value.reason);
      sum += measure(value);
    }
    return sum;
  };
}

const vias = sliced(variants('SIP/2.0/UDP 172.22.0.NN:5060;branch=z9hG4bK-524287-1---d8754z7a3f;rport;alias', 'NN'));
const tagged = sliced(variants('"Alice" <sip:001011234567NN@ims.mnc001.mcc001.3gppnetwork.org>;tag=9fxced76sl', 'NN'));
const routes = sliced(variants('<sip:mo@10.20.30.NN:6060;transport=tcp;lr>', 'NN'));
const sipUris = sliced(variants('sip:+15551234NN@ims.mnc001.mcc001.3gppnetwork.org:5060;user=phone', 'NN'));
const telUris = sliced(variants('tel:+1-555-123-45NN;phone-context=example.com', 'NN'));
const cseqs = sliced(variants('1NN INVITE', 'NN'));
const contacts = sliced(
  variants(
    '<sip:0010112345@10.0.0.NN:31700;transport=udp>;expires=600000;+sip.instance="<urn:gsma:imei:35622410-483840-0>"' +
      ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";audio;q=1.0',
    'NN',
  ),
);
const lists = sliced(variants('<sip:a@1.1.1.NN;lr>, <sip:b@2.2.2.2;lr>, "x, y" <sip:c@3.3.3.3;lr>', 'NN'));
const parsedUris = sipUris.map(parseSipUri).filter((uri): uri is SipUri => !(uri instanceof ParseFailure));

const viaPattern = /^SIP\/2\.0\/(\w+)\s+([\w.-]+)(?::(\d+))?(.*)$/;

/** Header and URI measurements for the common runner. */
export const benches: readonly MicroBench[] = [
  {
    name: 'via: parse',
    run: loop(vias, parseVia, (via) => via.port + via.branch.length),
    baseline: {
      name: 'regular expression, split and Map',
      run: (iterations) => {
        let sum = 0;
        for (let i = 0; i < iterations; i++) {
          const [, , , port, rest] = viaPattern.exec(vias[i & 15]!)!;
          const parameters = new Map<string, string>();
          for (const part of rest!.split(';')) {
            const [name, value] = part.split('=');
            if (name !== '') parameters.set(name!.toLowerCase(), value ?? '');
          }
          sum += Number(port) + parameters.get('branch')!.length;
        }
        return sum;
      },
    },
  },
  {
    name: 'via: write received and rport',
    run: loop(
      vias,
      (text) => withReceived(text, '10.1.2.3', 40000),
      (text) => text.length,
    ),
  },
  { name: 'name-addr: parse From', run: loop(tagged, parseNameAddr, (address) => address.uri.length) },
  { name: 'name-addr: parse Route', run: loop(routes, parseNameAddr, (address) => address.uri.length) },
  { name: 'name-addr: tag', run: loop(tagged, tagOf, (tag) => tag.length) },
  { name: 'uri: parse sip', run: loop(sipUris, parseUri, (uri) => (uri.kind === 'sip' ? uri.port : 0)) },
  { name: 'uri: parse tel', run: loop(telUris, parseTelUri, (uri) => uri.number.length) },
  {
    name: 'uri: compare sip',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += sipUriEquals(parsedUris[i & 15]!, parsedUris[(i >> 4) & 15]!) ? 1 : 0;
      return sum;
    },
  },
  { name: 'cseq: parse', run: loop(cseqs, parseCSeq, (cseq) => cseq.number) },
  {
    name: 'contact: parse',
    run: loop(
      contacts,
      (text): Contacts | ParseFailure => parseContacts([text]),
      (all) => all.contacts[0]!.expires,
    ),
  },
  {
    name: 'contact: write expires',
    run: loop(
      contacts,
      (text) => contactWithExpires(text, 3600),
      (text) => text.length,
    ),
  },
  { name: 'list: split three routes', run: loop(lists, splitListValues, (values) => values.length) },
];
