import { uint24, uint32 } from './codec/avp-list.ts';
import { type Avp, avp, encodedAvps } from './codec/avp-types.ts';
import { encodeMessage } from './codec/encode.ts';
import { type DiameterMessage, FLAG_ERROR, FLAG_PROXIABLE, HEADER_LENGTH, readHeader } from './codec/message.ts';
import { baseAvps } from './dictionary/base.ts';
import type { ApplicationDefinition } from './dictionary/dictionary.ts';
import type { DecodeFailure } from './errors.ts';
import type { DiameterIdentity } from './identity.ts';
import { baseResult, type DiameterResult, isProtocolError, resultAvp } from './result.ts';

/** What a handler says to a request; the common AVPs are put around it. */
export interface AnswerContent {
  readonly result: DiameterResult;
  readonly avps: readonly Avp[];
}

/** Why a request is refused, with a whole AVP for Failed-AVP where one is to blame. */
export interface Refusal {
  readonly resultCode: number;
  readonly words: string;
  readonly failedAvp?: Buffer | undefined;
}

/**
 * Encodes the answer to a decoded request: Session-Id, Proxy-Info and the P bit are the request's, the E bit follows
 * the result, Route-Record is never repeated. Source: RFC 6733 6.2, 7.2; TS 29.229 6.1.
 */
export function encodeAnswer(
  request: DiameterMessage,
  application: ApplicationDefinition,
  identity: DiameterIdentity,
  content: AnswerContent,
): Buffer {
  const { result } = content;
  const isError = result.kind === 'base' && isProtocolError(result.code);
  const [sessionId] = request.avps.encoded(baseAvps.sessionId);
  const [applicationId, ...sessionState] = applicationAvps(application);
  const avps: Avp[] = [];
  if (sessionId !== undefined) avps.push(encodedAvps(sessionId));
  if (applicationId !== undefined && !namelessAnswers.has(request.command)) avps.push(applicationId);
  const origin = [avp(baseAvps.originHost, identity.originHost), avp(baseAvps.originRealm, identity.originRealm)];
  // Rx tells who answers before what.
  if (application.id === 0 || application.stateless) avps.push(resultAvp(result), ...sessionState, ...origin);
  else avps.push(...origin, resultAvp(result));
  avps.push(...content.avps);
  for (const proxyInfo of request.avps.encoded(baseAvps.proxyInfo)) avps.push(encodedAvps(proxyInfo));
  const flags = (request.flags & FLAG_PROXIABLE) | (isError ? FLAG_ERROR : 0);
  return encodeMessage(
    {
      flags,
      command: request.command,
      application: request.application,
      hopByHop: request.hopByHop,
      endToEnd: request.endToEnd,
    },
    avps,
  );
}

/** RAA, ASA and STA name no application. Source: RFC 6733 8.3.2, 8.4.2, 8.5.2; TS 29.214 5.6. */
const namelessAnswers: ReadonlySet<number> = new Set([258, 274, 275]);

/** The AVPs by which a message names its application, in the order of the command tables. Source: TS 29.229 6.1. */
export function applicationAvps(application: ApplicationDefinition): Avp[] {
  const id = avp(baseAvps.authApplicationId, application.id);
  if (application.id === 0) return [];
  if (!application.stateless) return [id];
  return [
    avp(baseAvps.vendorSpecificApplicationId, [avp(baseAvps.vendorId, application.vendor), id]),
    avp(baseAvps.authSessionState, 1),
  ];
}

/**
 * Encodes the refusal of a request that may be too damaged to decode: the header is trusted, Session-Id and
 * Proxy-Info are repeated as far as they can be found. `application`: of the request's command, where that is known;
 * protocol errors do without what it asks of an answer. Source: RFC 6733 6.2, 7.2, 7.5.
 */
export function encodeRefusal(
  request: Buffer,
  identity: DiameterIdentity,
  refusal: Refusal,
  application?: ApplicationDefinition,
): Buffer {
  const header = readHeader(request);
  const { sessionId, proxyInfos } = salvage(request);
  const avps: Avp[] = [];
  if (sessionId !== undefined) avps.push(encodedAvps(sessionId));
  if (application?.stateless === true && !isProtocolError(refusal.resultCode))
    avps.push(...applicationAvps(application));
  avps.push(
    avp(baseAvps.originHost, identity.originHost),
    avp(baseAvps.originRealm, identity.originRealm),
    resultAvp(baseResult(refusal.resultCode)),
    avp(baseAvps.errorMessage, refusal.words),
  );
  if (refusal.failedAvp !== undefined) avps.push(avp(baseAvps.failedAvp, [encodedAvps(refusal.failedAvp)]));
  for (const proxyInfo of proxyInfos) avps.push(encodedAvps(proxyInfo));
  const flags = (header.flags & FLAG_PROXIABLE) | (isProtocolError(refusal.resultCode) ? FLAG_ERROR : 0);
  return encodeMessage({ ...header, flags }, avps);
}

export function refusalOf(failure: DecodeFailure): Refusal {
  return { resultCode: failure.resultCode, words: failure.reason, failedAvp: failure.failedAvp };
}

const SESSION_ID_CODE = baseAvps.sessionId.code;
const PROXY_INFO_CODE = baseAvps.proxyInfo.code;
/** What is repeated of a request that is refused. */
const MAX_PROXY_INFOS = 16;
const MAX_REPEATED_OCTETS = 64 * 1024;

function salvage(octets: Buffer): { sessionId: Buffer | undefined; proxyInfos: Buffer[] } {
  let sessionId: Buffer | undefined;
  const proxyInfos: Buffer[] = [];
  let proxyOctets = 0;
  for (let at = HEADER_LENGTH; at + 8 <= octets.length; ) {
    const length = uint24(octets, at + 5);
    const end = at + ((length + 3) & ~3);
    if (length < 8 || end > octets.length) break;
    const code = uint32(octets, at);
    if ((octets[at + 4]! & 0x80) === 0) {
      const isShort = end - at <= MAX_REPEATED_OCTETS;
      if (code === SESSION_ID_CODE && sessionId === undefined && isShort) sessionId = octets.subarray(at, end);
      if (code === PROXY_INFO_CODE && proxyInfos.length < MAX_PROXY_INFOS) {
        proxyOctets += end - at;
        if (proxyOctets <= MAX_REPEATED_OCTETS) proxyInfos.push(octets.subarray(at, end));
      }
    }
    at = end;
  }
  return { sessionId, proxyInfos };
}
