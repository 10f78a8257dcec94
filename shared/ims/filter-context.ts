import type { SipRequest } from '#sip/message/request';
import type { Effort } from './expression-search.ts';
import type { RegistrationType, SessionCase } from './filter-criterion.ts';

/** What filter criteria are asked about: a request as it is now, and what the S-CSCF knows of the served user. */
export interface FilterContext {
  readonly request: SipRequest;
  /** For a REGISTER: originating. */
  readonly sessionCase: SessionCase;
  /** Whether the served user is registered: which part of the profile counts. */
  readonly registered: boolean;
  /** What a REGISTER does; null for any other request. */
  readonly registrationType: RegistrationType | null;
}

/**
 * Steps (about one a character) that the expressions of one evaluation may take; then conditions do not hold any more.
 * Twenty criteria take some thousands; these take some twenty milliseconds. Requirement S-92.
 */
export const evaluationSteps = 4_000_000;

/** What one evaluation may take. */
export function newEffort(): Effort {
  return { steps: evaluationSteps };
}
