import { cxResultCodes } from '#diameter/cx/cx-results';
import { resultCodes } from '#diameter/errors';
import type { DiameterResult } from '#diameter/result';

const baseNames = namesOf(resultCodes);
const cxNames = namesOf(cxResultCodes);

/** A result for people: `2001 DIAMETER_SUCCESS`, `5001 DIAMETER_ERROR_USER_UNKNOWN (3GPP)`. */
export function resultWords({ code, kind, vendor }: DiameterResult): string {
  if (kind === 'base') return `${code} ${baseNames.get(code) ?? 'without a name'}`;
  const name = vendor === 10415 ? cxNames.get(code) : undefined;
  return `${code} ${name ?? 'without a name'} (${vendor === 10415 ? '3GPP' : `vendor ${vendor}`})`;
}

function namesOf(codes: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(codes).map(([name, code]) => [code, `DIAMETER_${name}`]));
}
