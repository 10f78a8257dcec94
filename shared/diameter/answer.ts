import { uint24, uint32 } from './codec/avp-list.ts';
import { type Avp, avp, encodedAvps, leastDataLength } from './codec/avp-types.ts';
import { encodeAvps, encodeMessage } from './codec/encode.ts';
import { type DiameterMessage, FLAG_ERROR, FLAG_PROXIABLE, HEADER_LENGTH, readHeader } from './codec/message.ts';
import { baseAvps } from './dictionary/base.ts';
import type { ApplicationDefinition, AvpDefinition, CommandDefinition, Dictionary } from './dictionary/dictionary.ts';
import { type DecodeFailure, resultCodes } from './errors.ts';
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
  if (applicationId !== undefined) avps.push(applicationId);
  avps.push(
    resultAvp(result),
    ...sessionState,
    avp(baseAvps.originHost, identity.originHost),
    avp(baseAvps.originRealm, identity.originRealm),
    ...content.avps,
  );
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
 * Proxy-Info are repeated as far as they can be found. Source: RFC 6733 6.2, 7.2, 7.5.
 */
export function encodeRefusal(request: Buffer, identity: DiameterIdentity, refusal: Refusal): Buffer {
  const header = readHeader(request);
  const { sessionId, proxyInfos } = salvage(request);
  const avps: Avp[] = [];
  if (sessionId !== undefined) avps.push(encodedAvps(sessionId));
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

/**
 * Checks what the dictionary tables ask of a request: mandatory AVPs (5005) and no unknown AVP with M (5001), unless
 * its `vendor:code` is in `ignored`. Source: RFC 6733 4.1, 7.1.5.
 */
export function checkRequest(
  request: DiameterMessage,
  command: CommandDefinition,
  dictionary: Dictionary,
  ignored: ReadonlySet<string>,
): Refusal | undefined {
  if (command.application.id !== 0 && !request.avps.has(baseAvps.sessionId)) return missing(baseAvps.sessionId);
  for (const definition of alwaysRequired) if (!request.avps.has(definition)) return missing(definition);
  for (const definition of command.required) if (!request.avps.has(definition)) return missing(definition);
  return request.hasUnknownMandatory ? unknownMandatory(request, dictionary, ignored) : undefined;
}

const alwaysRequired: readonly AvpDefinition[] = [baseAvps.originHost, baseAvps.originRealm];

function unknownMandatory(
  request: DiameterMessage,
  dictionary: Dictionary,
  ignored: ReadonlySet<string>,
): Refusal | undefined {
  const { octets } = request;
  let refusal: Refusal | undefined;
  request.avps.forEach((offset, code, vendor, _dataStart, dataEnd) => {
    if (refusal !== undefined || (octets[offset + 4]! & 0x40) === 0) return;
    if (dictionary.find(code, vendor) !== undefined || ignored.has(`${vendor >>> 0}:${code >>> 0}`)) return;
    refusal = {
      resultCode: resultCodes.AVP_UNSUPPORTED,
      words: `AVP ${code >>> 0} of vendor ${vendor >>> 0} is not known here`,
      failedAvp: octets.subarray(offset, (dataEnd + 3) & ~3),
    };
  });
  return refusal;
}

function missing(definition: AvpDefinition): Refusal {
  return {
    resultCode: resultCodes.MISSING_AVP,
    words: `${definition.name} is missing`,
    failedAvp: encodeAvps([{ definition, value: Buffer.alloc(leastDataLength(definition.type)) }]),
  };
}

const SESSION_ID_CODE = baseAvps.sessionId.code;
const PROXY_INFO_CODE = baseAvps.proxyInfo.code;
const MAX_PROXY_INFOS = 16;

function salvage(octets: Buffer): { sessionId: Buffer | undefined; proxyInfos: Buffer[] } {
  let sessionId: Buffer | undefined;
  const proxyInfos: Buffer[] = [];
  for (let at = HEADER_LENGTH; at + 8 <= octets.length; ) {
    const length = uint24(octets, at + 5);
    const end = at + ((length + 3) & ~3);
    if (length < 8 || end > octets.length) break;
    const code = uint32(octets, at);
    if ((octets[at + 4]! & 0x80) === 0) {
      if (code === SESSION_ID_CODE && at === HEADER_LENGTH) sessionId = octets.subarray(at, end);
      if (code === PROXY_INFO_CODE && proxyInfos.length < MAX_PROXY_INFOS) proxyInfos.push(octets.subarray(at, end));
    }
    at = end;
  }
  return { sessionId, proxyInfos };
}
