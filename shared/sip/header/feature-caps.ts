import { ParseFailure } from '#sip/errors';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { splitListValues } from './list-values.ts';
import { unquote } from './token.ts';

/** One value of Feature-Caps: what the network element that wrote it can do. */
export interface FeatureCaps {
  /** Indicators with their `+` in lower case (`+g.3gpp.srvcc`), values without quotes, '' for one without a value. */
  readonly capabilities: ReadonlyMap<string, string>;
  /** All parameters as received. */
  readonly parameters: Parameters;
}

/** Reads all values of a Feature-Caps field; of an indicator given twice the first counts. Source: RFC 6809 4.2; C-33. */
export function parseFeatureCaps(value: string): FeatureCaps[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const caps: FeatureCaps[] = [];
  for (const part of parts) {
    if (!part.startsWith('*')) return new ParseFailure('feature capabilities without *');
    const parameters = parseHeaderParameters(part, 1);
    if (parameters instanceof ParseFailure) return parameters;
    const capabilities = new Map<string, string>();
    for (const { name, value: text } of parameters.entries()) {
      const indicator = name.toLowerCase();
      if (indicator.startsWith('+') && !capabilities.has(indicator)) capabilities.set(indicator, unquote(text));
    }
    caps.push({ capabilities, parameters });
  }
  return caps;
}

/** Writes one value; the indicators are taken from the parameters. */
export function formatFeatureCaps({ parameters }: Pick<FeatureCaps, 'parameters'>): string {
  return `*${parameters.raw}`;
}
