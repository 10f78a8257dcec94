import { reasons } from '#ims/reasons';
import type { ScscfConfig } from '#service/config/scscf-config';
import { ParseFailure } from '#sip/errors';
import { setBody } from '#sip/message/body';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { SessionDescription } from '#sip/sdp/session-description';
import type { Registration } from './registration.ts';
import type { ScscfState } from './state.ts';

/** What the operator says of media. */
export type MediaConfig = ScscfConfig['media'];

/** What holds where the configuration does not say. */
const defaultMedia: MediaConfig = Object.freeze({ addressFamily: 'any', profiles: [] });

/** Media settings of a configuration. */
export function mediaOf({ media }: Partial<Pick<ScscfConfig, 'media'>>): MediaConfig {
  return media ?? defaultMedia;
}

/**
 * Whether a served user may take part in what the INVITE of a new session offers, by the media profile that his service
 * profile names. False when the request was refused with 488; the body says what is allowed of the offer. A profile that
 * the configuration does not know forbids nothing. `identity`: that of the service profile.
 *
 * Source: TS 24.229 6.3, TS 29.228 annex B; requirement S-29.
 */
export function allowMedia(
  state: Pick<ScscfState, 'context' | 'services'>,
  transaction: ProxyTransaction,
  { key }: Registration,
  identity: string,
): boolean {
  // Of most networks this is all: no profile, no body is looked at.
  if (mediaOf(state.context.config).profiles.length === 0) return true;
  return transaction.request.method !== 'INVITE' || allowOffer(state, transaction, key, identity);
}

/**
 * The same for what a re-INVITE or UPDATE offers. A session that is not known here, since this node has restarted, is not
 * judged. `originating`: whether the request passes for the caller.
 */
export function allowMediaInside(
  state: Pick<ScscfState, 'context' | 'services' | 'sessions'>,
  transaction: ProxyTransaction,
  originating: boolean,
): boolean {
  if (mediaOf(state.context.config).profiles.length === 0) return true;
  const { request } = transaction;
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return true;
  const session = state.sessions.find(request, originating);
  return session === null || allowOffer(state, transaction, session.registrationKey, session.identity);
}

function allowOffer(
  { context, services }: Pick<ScscfState, 'context' | 'services'>,
  transaction: ProxyTransaction,
  registrationKey: string,
  identity: string,
): boolean {
  const id = services.mediaProfileOf(registrationKey, identity);
  const profile = id === null ? undefined : mediaOf(context.config).profiles.find((known) => known.id === id);
  const { sdp } = transaction.request;
  if (profile === undefined || sdp === null) return true;
  const types = new Set<string>(profile.types);
  const why = forbiddenIn(sdp, types);
  if (why === null) return true;
  transaction.refuse(reasons.mediaNotAllowed, `media profile ${profile.id}: ${why}`, (response) => {
    if (!(sdp instanceof ParseFailure)) setBody(response, 'application/sdp', allowedOf(sdp, types));
  });
  return false;
}

/** What an offer has beyond these types, in words; one that cannot be read is forbidden, since others may read it. */
function forbiddenIn(sdp: SessionDescription | ParseFailure, types: ReadonlySet<string>): string | null {
  if (sdp instanceof ParseFailure) return `SDP offset ${sdp.offset}: ${sdp.reason}`;
  const media = sdp.media.find(({ offered, type }) => offered && !types.has(type));
  return media === undefined ? null : `media type ${media.type}`;
}

function allowedOf(sdp: SessionDescription, types: ReadonlySet<string>): string {
  const allowed = sdp.clone();
  for (const media of allowed.media) if (!types.has(media.type)) media.setPort(0);
  return allowed.text;
}
