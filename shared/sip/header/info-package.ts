import { ParseFailure } from '#sip/errors';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { splitListValues } from './list-values.ts';
import { tokenEnd, trimBlanks } from './token.ts';

/** An info package: the value of Info-Package, or one of Recv-Info. */
export interface InfoPackage {
  /** As received: names are case-sensitive. */
  readonly name: string;
  readonly parameters: Parameters;
}

/** Reads an Info-Package. Source: RFC 6086 7.2; requirement C-33. */
export function parseInfoPackage(value: string): InfoPackage | ParseFailure {
  const text = trimBlanks(value);
  const end = tokenEnd(text, 0);
  if (end === 0) return new ParseFailure('malformed info package');
  const parameters = parseHeaderParameters(text, end);
  return parameters instanceof ParseFailure ? parameters : { name: text.slice(0, end), parameters };
}

/** Reads all packages of a Recv-Info field; an empty one says that none is wanted. Source: RFC 6086 7.3. */
export function parseRecvInfo(value: string): InfoPackage[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const packages: InfoPackage[] = [];
  for (const part of parts) {
    const parsed = parseInfoPackage(part);
    if (parsed instanceof ParseFailure) return parsed;
    packages.push(parsed);
  }
  return packages;
}

/** Writes an Info-Package. */
export function formatInfoPackage({ name, parameters }: InfoPackage): string {
  return name + parameters.raw;
}

/** Writes a Recv-Info. */
export function formatRecvInfo(packages: readonly InfoPackage[]): string {
  return packages.map(formatInfoPackage).join(', ');
}
