import { randomBytes } from 'node:crypto';
import { ParseFailure } from '#sip/errors';
import { isToken, quote, unquote } from '#sip/header/token';
import { parseHeaderParameters } from '#sip/uri/parameters';

/** A parameter we only pass on, value as received (null: bare name). */
export interface ChargingParameter {
  readonly name: string;
  readonly value: string | null;
}

/** P-Charging-Vector; what is absent is ''. */
export interface ChargingVector {
  readonly icid: string;
  readonly icidGeneratedAt: string;
  readonly origIoi: string;
  readonly termIoi: string;
  /** All other parameters (related-icid, transit-ioi, access-network-charging-info ...), in order. */
  readonly others: readonly ChargingParameter[];
}

/** P-Charging-Function-Addresses: charging data and event charging functions, first the one to use. */
export interface ChargingFunctionAddresses {
  readonly ccf: readonly string[];
  readonly ecf: readonly string[];
  readonly others: readonly ChargingParameter[];
}

/** Reads a P-Charging-Vector; one without icid-value is a ParseFailure. Source: RFC 7315 5.6. */
export function parseChargingVector(value: string): ChargingVector | ParseFailure {
  const parameters = readParameters(value);
  if (parameters instanceof ParseFailure) return parameters;
  let icid = '';
  let icidGeneratedAt = '';
  let origIoi = '';
  let termIoi = '';
  const others: ChargingParameter[] = [];
  for (const parameter of parameters) {
    const text = unquote(parameter.value ?? '');
    const name = parameter.name.toLowerCase();
    if (name === 'icid-value') icid ||= text;
    else if (name === 'icid-generated-at') icidGeneratedAt ||= text;
    else if (name === 'orig-ioi') origIoi ||= text;
    else if (name === 'term-ioi') termIoi ||= text;
    else others.push(parameter);
  }
  return icid === ''
    ? new ParseFailure('P-Charging-Vector without icid-value')
    : { icid, icidGeneratedAt, origIoi, termIoi, others };
}

/** Writes a P-Charging-Vector; of the named parameters only those that are not ''. Source: RFC 7315 5.6. */
export function formatChargingVector(vector: ChargingVector): string {
  let text = `icid-value=${word(vector.icid)}`;
  if (vector.icidGeneratedAt !== '') text += `;icid-generated-at=${word(vector.icidGeneratedAt)}`;
  if (vector.origIoi !== '') text += `;orig-ioi=${word(vector.origIoi)}`;
  if (vector.termIoi !== '') text += `;term-ioi=${word(vector.termIoi)}`;
  return text + formatOthers(vector.others);
}

/** Reads a P-Charging-Function-Addresses. Source: RFC 7315 5.5. */
export function parseChargingFunctionAddresses(value: string): ChargingFunctionAddresses | ParseFailure {
  const parameters = readParameters(value);
  if (parameters instanceof ParseFailure) return parameters;
  const ccf: string[] = [];
  const ecf: string[] = [];
  const others: ChargingParameter[] = [];
  for (const parameter of parameters) {
    const name = parameter.name.toLowerCase();
    if (name === 'ccf') ccf.push(unquote(parameter.value ?? ''));
    else if (name === 'ecf') ecf.push(unquote(parameter.value ?? ''));
    else others.push(parameter);
  }
  return { ccf, ecf, others };
}

/** Writes a P-Charging-Function-Addresses, '' when there is nothing to write. Source: RFC 7315 5.5. */
export function formatChargingFunctionAddresses(addresses: ChargingFunctionAddresses): string {
  let text = '';
  for (const ccf of addresses.ccf) text += `;ccf=${word(ccf)}`;
  for (const ecf of addresses.ecf) text += `;ecf=${word(ecf)}`;
  return (text + formatOthers(addresses.others)).slice(1);
}

const prefix = randomBytes(12).toString('hex');
let counter = 0;

/** A new IMS charging identifier: 96 random bits of this thread and a count; a token. Source: TS 24.229 7.2A.5.2.2. */
export function newIcid(): string {
  return `${prefix}.${(counter++).toString(36)}`;
}

/** The value is a list of parameters without the leading `;` that parameters have elsewhere. */
function readParameters(value: string): ChargingParameter[] | ParseFailure {
  const parameters = parseHeaderParameters(`;${value}`, 0);
  if (parameters instanceof ParseFailure)
    return new ParseFailure(parameters.reason, Math.max(0, parameters.offset - 1));
  return parameters.entries().map(({ name, value: text }) => ({ name, value: text === '' ? null : text }));
}

function formatOthers(others: readonly ChargingParameter[]): string {
  let text = '';
  for (const { name, value } of others) text += value === null ? `;${name}` : `;${name}=${value}`;
  return text;
}

function word(text: string): string {
  return isToken(text) ? text : quote(text);
}
