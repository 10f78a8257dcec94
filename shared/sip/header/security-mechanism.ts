import { ParseFailure } from '#sip/errors';
import { lowerSlice } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { parseQ } from './contact.ts';
import { splitListValues } from './list-values.ts';
import { parseDecimal } from './number-value.ts';
import { isToken, tokenEnd, unquote } from './token.ts';

/** One value of Security-Client, Security-Server or Security-Verify. */
export interface SecurityMechanism {
  /** `ipsec-3gpp`, `tls` and so on, in lower case. */
  readonly name: string;
  /** Thousandths, -1 when absent. */
  readonly q: number;
  /** All parameters as received, q included. */
  readonly parameters: Parameters;
}

/** The parameters of `ipsec-3gpp`. Source: TS 33.203 annex H. */
export interface IpsecMechanism {
  /** `hmac-sha-1-96` and so on, in lower case. */
  readonly alg: string;
  /** `null` when absent. */
  readonly ealg: string;
  /** `esp` when absent. */
  readonly prot: string;
  /** `trans` when absent. */
  readonly mod: string;
  /** 0 to 2^32 - 1. */
  readonly spiC: number;
  readonly spiS: number;
  /** 1 to 65535. */
  readonly portC: number;
  readonly portS: number;
}

const maxSpi = 0xffff_ffff;
const maxPort = 0xffff;

/**
 * Reads all values of all fields of one of the three headers; what cannot be read is left out, and only a field that
 * cannot be split is a failure.
 *
 * Source: RFC 3329 2.2; requirement P-12.
 */
export function parseSecurityMechanisms(fields: readonly string[]): SecurityMechanism[] | ParseFailure {
  const mechanisms: SecurityMechanism[] = [];
  for (const field of fields) {
    const parts = splitListValues(field);
    if (parts instanceof ParseFailure) return parts;
    for (const part of parts) {
      const mechanism = parseMechanism(part);
      if (mechanism !== null) mechanisms.push(mechanism);
    }
  }
  return mechanisms;
}

function parseMechanism(value: string): SecurityMechanism | null {
  const end = tokenEnd(value, 0);
  const parameters = parseHeaderParameters(value, end);
  if (end === 0 || parameters instanceof ParseFailure) return null;
  const q = parameters.get('q');
  return { name: lowerSlice(value, 0, end), q: q === null ? -1 : parseQ(unquote(q)), parameters };
}

/** Writes one value. */
export function formatSecurityMechanism({ name, parameters }: Pick<SecurityMechanism, 'name' | 'parameters'>): string {
  return name + parameters.raw;
}

/**
 * Reads the parameters of an `ipsec-3gpp` value, in any order and case; without alg, an SPI or a port, or with one that
 * is no number, it is a ParseFailure.
 *
 * Source: TS 33.203 annex H; requirement P-12.
 */
export function parseIpsecMechanism({ name, parameters }: SecurityMechanism): IpsecMechanism | ParseFailure {
  if (name !== 'ipsec-3gpp') return new ParseFailure(`mechanism ${name}`);
  const spiC = numberOf(parameters, 'spi-c', maxSpi);
  const spiS = numberOf(parameters, 'spi-s', maxSpi);
  const portC = numberOf(parameters, 'port-c', maxPort);
  const portS = numberOf(parameters, 'port-s', maxPort);
  for (const number of [spiC, spiS, portC, portS]) if (number instanceof ParseFailure) return number;
  const alg = wordOf(parameters, 'alg', '');
  const ealg = wordOf(parameters, 'ealg', 'null');
  const prot = wordOf(parameters, 'prot', 'esp');
  const mod = wordOf(parameters, 'mod', 'trans');
  if (alg === '') return new ParseFailure('no alg');
  // Quoted, a value may hold anything: written again it would be other parameters.
  if (![alg, ealg, prot, mod].every(isToken)) return new ParseFailure('an algorithm or mode that is no token');
  if (portC === 0 || portS === 0) return new ParseFailure('port of 0');
  return {
    alg,
    ealg,
    prot,
    mod,
    spiC: spiC as number,
    spiS: spiS as number,
    portC: portC as number,
    portS: portS as number,
  };
}

function numberOf(parameters: Parameters, name: string, max: number): number | ParseFailure {
  const number = parseDecimal(unquote(parameters.get(name) ?? ''), max);
  return number instanceof ParseFailure ? new ParseFailure(`no proper ${name}`) : number;
}

function wordOf(parameters: Parameters, name: string, otherwise: string): string {
  return unquote(parameters.get(name) ?? '').toLowerCase() || otherwise;
}

/**
 * Writes an `ipsec-3gpp` value with every parameter named; q in thousandths, -1 leaves it out.
 *
 * Source: TS 33.203 annex H; requirement P-36.
 */
export function formatIpsecMechanism(mechanism: IpsecMechanism, q = -1): string {
  const { prot, mod, spiC, spiS, portC, portS, alg, ealg } = mechanism;
  const preference = q < 0 ? '' : `;q=${q / 1000}`;
  const flow = `prot=${prot};mod=${mod};spi-c=${spiC};spi-s=${spiS};port-c=${portC};port-s=${portS}`;
  return `ipsec-3gpp${preference};${flow};alg=${alg};ealg=${ealg}`;
}

/**
 * Writes a pair of algorithms of `ipsec-3gpp` that is offered without SPIs and ports: before anything is agreed there are
 * none. `q` in thousandths.
 *
 * Source: RFC 3329 2.3.1, TS 33.203 annex H; requirements P-11, P-13.
 */
export function formatIpsecOffer(alg: string, ealg: string, q: number): string {
  return `ipsec-3gpp;q=${q / 1000};prot=esp;mod=trans;alg=${alg};ealg=${ealg}`;
}

/**
 * Whether two sets of fields say the same, value by value: the same mechanisms in the same order with the same parameters
 * in any order and case, blanks and quotes aside. A value that cannot be read equals only the same text.
 *
 * Source: RFC 3329 2.3.1; requirement P-41.
 */
export function sameSecurityFields(a: readonly string[], b: readonly string[]): boolean {
  if (sameTexts(a, b)) return true;
  const left = normalValues(a);
  const right = normalValues(b);
  return left.length === right.length && left.every((value, i) => sameTexts(value, right[i]!));
}

function normalValues(fields: readonly string[]): string[][] {
  return fields.flatMap((field) => {
    const parts = splitListValues(field);
    return parts instanceof ParseFailure ? [[field]] : parts.map(normalValue);
  });
}

/** Name and parameters of a value, the latter in the order of their names. */
function normalValue(value: string): string[] {
  const mechanism = parseMechanism(value);
  if (mechanism === null) return [value];
  const parameters = mechanism.parameters.entries();
  return [
    mechanism.name,
    ...parameters.map(({ name, value: text }) => `${name}=${unquote(text)}`.toLowerCase()).sort(),
  ];
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
