import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';
import { ParseFailure } from '#sip/errors';
import { hasTag } from '#sip/header/option-tags';
import {
  formatIpsecMechanism,
  formatIpsecOffer,
  type IpsecMechanism,
  parseIpsecMechanism,
  parseSecurityMechanisms,
  sameSecurityFields,
} from '#sip/header/security-mechanism';
import { type HeaderList, lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';

/** Algorithms that may be agreed together. */
export interface AlgorithmPair {
  readonly alg: IntegrityAlgorithm;
  readonly ealg: EncryptionAlgorithm;
}

/** What a UE and this node have in common: our choice among its offers, and all that it offered. */
export interface Agreement {
  readonly pair: AlgorithmPair;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly clientSpi: number;
  readonly serverSpi: number;
  /** The fields of Security-Client as received. */
  readonly fields: readonly string[];
}

/** SPIs below are reserved. Source: RFC 4303 2.1. */
const leastSpi = 256;
/** What Security-Server says of our choice. Source: TS 33.203 annex H, as references do. */
const chosenQ = 100;
/** Octets of Security-Client that are kept to be compared: a list of a hundred entries is shorter. */
const maxClientOctets = 16_384;

/**
 * The first pair of `order` that a UE offers in the fields of Security-Client, with its SPIs and ports; null when nothing it offers can
 * be used: unknown mechanisms and algorithms, other protocols and modes, SPIs that are reserved or the same.
 *
 * Source: RFC 3329 2.3.1, TS 33.203 7.2; requirements P-12, P-13, P-32, X-I13.
 */
export function agreementOf(fields: readonly string[], order: readonly AlgorithmPair[]): Agreement | null {
  if (fields.reduce((octets, field) => octets + field.length, 0) > maxClientOctets) return null;
  const mechanisms = parseSecurityMechanisms(fields);
  if (mechanisms instanceof ParseFailure) return null;
  const offers: IpsecMechanism[] = [];
  for (const mechanism of mechanisms) {
    const offer = parseIpsecMechanism(mechanism);
    if (!(offer instanceof ParseFailure) && isUsable(offer)) offers.push(offer);
  }
  for (const pair of order) {
    const offer = offers.find(({ alg, ealg }) => alg === pair.alg && ealg === pair.ealg);
    if (offer === undefined) continue;
    const { portC, portS, spiC, spiS } = offer;
    return { pair, clientPort: portC, serverPort: portS, clientSpi: spiC, serverSpi: spiS, fields };
  }
  return null;
}

function isUsable({ prot, mod, spiC, spiS }: IpsecMechanism): boolean {
  return prot === 'esp' && mod === 'trans' && spiC >= leastSpi && spiS >= leastSpi && spiC !== spiS;
}

/** The fields of Security-Client, each as it stands. */
export function securityClientOf(headers: HeaderList): readonly string[] {
  return fieldsOf(headers, Header['Security-Client']);
}

/** Whether a UE insists on an agreement. Source: RFC 3329 2.3.1; requirement P-11. */
export function insistsOnAgreement(headers: HeaderList): boolean {
  return [Header.Require, Header['Proxy-Require']].some(
    (id) => headers.has(id) && hasTag(headers.values(id), 'sec-agree'),
  );
}

/** Value of the Security-Server that says what may be agreed here, the preferred pair first. Requirements P-11, P-13. */
export function offersOf(order: readonly AlgorithmPair[]): string {
  const step = Math.floor(1000 / (order.length + 1));
  return order.map(({ alg, ealg }, i) => formatIpsecOffer(alg, ealg, 1000 - (i + 1) * step)).join(', ');
}

/** SPIs and ports of this node's end. */
export interface OwnEnd {
  readonly clientPort: number;
  readonly serverPort: number;
  readonly clientSpi: number;
  readonly serverSpi: number;
}

/** Value of the Security-Server of a challenge: the one pair that was chosen. Source: TS 33.203 7.2; requirement P-36. */
export function securityServer({ alg, ealg }: AlgorithmPair, own: OwnEnd): string {
  const { clientSpi: spiC, serverSpi: spiS, clientPort: portC, serverPort: portS } = own;
  return formatIpsecMechanism({ alg, ealg, prot: 'esp', mod: 'trans', spiC, spiS, portC, portS }, chosenQ);
}

/** Whether Security-Verify of a request is what was sent as Security-Server. Source: RFC 3329 2.3.1; requirement P-41. */
export function verifies(headers: HeaderList, sent: string): boolean {
  const fields = fieldsOf(headers, Header['Security-Verify']);
  return fields.length > 0 && sameSecurityFields(fields, [sent]);
}

/** Whether Security-Client of a request is that of the first REGISTER. Requirements P-41, X-I11. */
export function repeatsClient(fields: readonly string[], first: readonly string[]): boolean {
  return sameSecurityFields(fields, first);
}

/** The values of all lines of a header, each as it stands. */
function fieldsOf(headers: HeaderList, id: number): readonly string[] {
  const fields: string[] = [];
  for (const line of headers.lines) if (line.id === id) fields.push(lineValue(line));
  return fields;
}
