import type { ServerCapabilities } from '#diameter/cx/cx-results';
import type { IcscfState } from './icscf.ts';

/** One entry of `scscfs:`. */
export interface ScscfCandidate {
  readonly uri: string;
  readonly capabilities: readonly number[];
  /** Lower comes first. */
  readonly priority: number;
  readonly weight: number;
}

/**
 * The S-CSCF to try next: a name that the HSS lists, in its order, else the configured candidate that owns every
 * mandatory capability, with most optional ones, then by priority, then by weighted chance. Those in `tried` are passed
 * over; no or empty capabilities mean any candidate.
 *
 * Gives null when none is left. `random`: 0 up to 1.
 * Source: TS 29.228 6.7; requirement I-13.
 */
export function selectScscf(
  candidates: readonly ScscfCandidate[],
  wanted: ServerCapabilities | undefined,
  tried: ReadonlySet<string>,
  random: () => number,
): string | null {
  for (const name of wanted?.serverNames ?? []) {
    const uri = withScheme(name);
    if (!tried.has(uri)) return uri;
  }
  const mandatory = wanted?.mandatory ?? [];
  const optional = wanted?.optional ?? [];
  let best: ScscfCandidate[] = [];
  for (const candidate of candidates) {
    if (tried.has(candidate.uri)) continue;
    if (!mandatory.every((capability) => candidate.capabilities.includes(capability))) continue;
    const order = best.length === 0 ? -1 : compare(candidate, best[0]!, optional);
    if (order < 0) best = [candidate];
    else if (order === 0) best.push(candidate);
  }
  return best.length === 0 ? null : weighted(best, random()).uri;
}

/** As `selectScscf`, of those that answered of late before those that did not. Requirement I-13. */
export function chooseScscf(
  { context, failed }: IcscfState,
  wanted: ServerCapabilities | undefined,
  tried: ReadonlySet<string>,
): string | null {
  const { scscfs } = context.config;
  const passedOver = failed.with(tried);
  const fit = selectScscf(scscfs, wanted, passedOver, Math.random);
  return fit !== null || passedOver === tried ? fit : selectScscf(scscfs, wanted, tried, Math.random);
}

/** Words for a refusal: what no candidate could offer. */
export function whatIsMissing(candidates: readonly ScscfCandidate[], wanted: ServerCapabilities | undefined): string {
  if (candidates.length === 0) return 'scscfs is empty';
  for (const capability of wanted?.mandatory ?? []) {
    if (!candidates.some((candidate) => candidate.capabilities.includes(capability))) {
      return `no S-CSCF has mandatory capability ${capability}`;
    }
  }
  return wanted !== undefined && wanted.mandatory.length > 0
    ? `no S-CSCF has all mandatory capabilities ${wanted.mandatory.join(', ')}`
    : 'every S-CSCF has been tried';
}

/** A Server-Name as some HSSs store it, without its scheme, made a URI. Requirement I-14. */
export function withScheme(serverName: string): string {
  const colon = serverName.indexOf(':');
  const scheme = colon < 0 ? '' : serverName.slice(0, colon).toLowerCase();
  return scheme === 'sip' || scheme === 'sips' ? serverName : `sip:${serverName}`;
}

function compare(a: ScscfCandidate, b: ScscfCandidate, optional: readonly number[]): number {
  const owned = (c: ScscfCandidate) => optional.filter((capability) => c.capabilities.includes(capability)).length;
  return owned(b) - owned(a) || a.priority - b.priority;
}

function weighted(candidates: readonly ScscfCandidate[], random: number): ScscfCandidate {
  const total = candidates.reduce((sum, candidate) => sum + candidate.weight, 0);
  let left = random * total;
  for (const candidate of candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return candidates[candidates.length - 1]!;
}
