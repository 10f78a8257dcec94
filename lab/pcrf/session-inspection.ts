import { encodeAvps } from '#diameter/codec/encode';
import { type DiameterMessage, FLAG_RETRANSMITTED } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { rxAvps, rxCommands } from '#diameter/dictionary/rx';
import { resultCodes } from '#diameter/errors';
import { sameIdentity } from '#diameter/identity';
import { readFramedAddress } from '#diameter/rx/framed-address';
import { readMediaComponents } from '#diameter/rx/media-component';
import { rxResultCodes } from '#diameter/rx/rx-results';
import { flowStatuses, rxRequestTypes } from '#diameter/rx/rx-values';
import type { AfSession, AfSessions } from './af-sessions.ts';
import { mediaTypeName } from './media-type-name.ts';
import type { RxFinding } from './rx-finding.ts';

/**
 * What is wrong with an AAR or STR with regard to what was said in its session before.
 * Source: TS 29.214 4.4.1, 4.4.2, 4.4.4, 5.3.16; requirements D-60, D-61, D-62, Q-01.
 */
export function sessionFindings(request: DiameterMessage, sessions: AfSessions): RxFinding[] {
  const { avps, command } = request;
  const id = avps.text(baseAvps.sessionId);
  if (id === undefined) return [];
  const session = sessions.byId(id);
  if (session !== undefined && !sameIdentity(session.host, avps.text(baseAvps.originHost) ?? '')) {
    const words = `the session belongs to ${session.host}`;
    return [breach(request, 'session-of-another', words, resultCodes.UNKNOWN_SESSION_ID)];
  }
  if (command === rxCommands.sessionTermination.code) return terminationFindings(request, sessions, session, id);
  return session === undefined ? firstFindings(request, sessions, id) : updateFindings(request, session);
}

function terminationFindings(
  request: DiameterMessage,
  sessions: AfSessions,
  session: AfSession | undefined,
  id: string,
): RxFinding[] {
  if (session !== undefined) {
    return session.pending > 0 ? [{ id: 'str-before-answer', words: 'a STR before the answer to an AAR' }] : [];
  }
  const why = sessions.whyEnded(id);
  // What came of its AAR, or of a STR that got lost, the P-CSCF cannot always know.
  if (why !== undefined) return [{ id: 'str-again', words: `a STR for a session that has ended (${why})` }];
  const words = 'a STR for a session that never was here';
  return [breach(request, 'unknown-session', words, resultCodes.UNKNOWN_SESSION_ID)];
}

function firstFindings(request: DiameterMessage, sessions: AfSessions, id: string): RxFinding[] {
  const { avps } = request;
  const findings: RxFinding[] = [];
  const type = avps.integer32(rxAvps.rxRequestType);
  if (sessions.whyEnded(id) === 'terminated') {
    const words = 'an AAR for a session that was ended by a STR';
    findings.push(breach(request, 'aar-after-str', words, resultCodes.UNKNOWN_SESSION_ID));
  } else if (type === rxRequestTypes.UPDATE_REQUEST) {
    const words = 'an update of a session that is not here';
    findings.push(breach(request, 'unknown-session', words, resultCodes.UNKNOWN_SESSION_ID));
  }
  const restores = type === rxRequestTypes.PCSCF_RESTORATION;
  if (!restores && !avps.has(baseAvps.framedIpAddress) && !avps.has(baseAvps.framedIpv6Prefix)) {
    findings.push({
      id: 'no-framed-address',
      words: 'a new session with neither Framed-IP-Address nor Framed-IPv6-Prefix',
      resultCode: resultCodes.MISSING_AVP,
      failedAvp: encodeAvps([{ definition: baseAvps.framedIpAddress, value: Buffer.alloc(4) }]),
    });
  }
  for (const { flowStatus, mediaType, number } of readMediaComponents(avps)) {
    if (flowStatus === flowStatuses.REMOVED) findings.push(neverThere(request, number));
    else if (mediaType === undefined) findings.push(untyped(number));
  }
  if (!restores && !avps.has(baseAvps.subscriptionId)) {
    findings.push({ id: 'no-subscription-id', words: 'a new session without Subscription-Id; some PCRFs want one' });
  }
  return findings;
}

function updateFindings(request: DiameterMessage, session: AfSession): RxFinding[] {
  const { avps } = request;
  const findings: RxFinding[] = [];
  // A request that a failover brought again is no other request.
  const isAgain = (request.flags & FLAG_RETRANSMITTED) !== 0;
  if (session.pending > 0 && !isAgain) {
    const words = 'another AAR of the session before the answer to the one before';
    findings.push(breach(request, 'aar-before-answer', words, resultCodes.UNABLE_TO_COMPLY));
  }
  if (session.state === 'aborting')
    findings.push({ id: 'aar-after-asr', words: 'an AAR instead of a STR after an ASR' });
  if (avps.integer32(rxAvps.rxRequestType) === rxRequestTypes.INITIAL_REQUEST && !isAgain) {
    const words = 'Rx-Request-Type INITIAL_REQUEST in a session that is there';
    findings.push(breach(request, 'initial-again', words, resultCodes.INVALID_AVP_VALUE));
  }
  if (!avps.has(baseAvps.destinationHost) && !isAgain) {
    findings.push({
      id: 'no-destination-host',
      words: 'an update that does not name the PCRF which holds the session',
    });
  }
  const framed = readFramedAddress(avps);
  const before = session.framedAddress;
  if (framed !== undefined && before !== undefined && framed.address !== before.address) {
    findings.push({ id: 'framed-address-changed', words: `${before.address} has become ${framed.address}` });
  }
  return [...findings, ...componentFindings(request, session)];
}

function componentFindings(request: DiameterMessage, session: AfSession): RxFinding[] {
  const findings: RxFinding[] = [];
  const told = new Set<number>();
  const encoded = request.avps.encoded(rxAvps.mediaComponentDescription);
  readMediaComponents(request.avps).forEach(({ flowStatus, mediaType, number }, i) => {
    told.add(number);
    const before = session.mediaTypes.get(number);
    if (flowStatus === flowStatuses.REMOVED) {
      if (session.components.has(number)) return;
      if (!session.mediaTypes.has(number)) findings.push(neverThere(request, number));
      else findings.push({ id: 'removed-again', words: `media component ${number} was removed before` });
    } else if (!session.mediaTypes.has(number)) {
      if (mediaType === undefined) findings.push(untyped(number));
    } else if (before !== undefined && mediaType !== undefined && before !== mediaType) {
      const words = `media component ${number} was ${mediaTypeName(before)}, and is ${mediaTypeName(mediaType)} now`;
      const failedAvp = encoded[i];
      const resultCode = rxResultCodes.INVALID_SERVICE_INFORMATION;
      findings.push({ id: 'component-number-reused', words, resultCode, experimental: true, failedAvp });
    }
  });
  const left = [...session.components.keys()].filter((number) => !told.has(number));
  if (told.size > 0 && left.length > 0) {
    const words = `media component ${left.join(', ')} is neither told nor removed, so that it stays`;
    findings.push({ id: 'component-left-out', words });
  }
  return findings;
}

function untyped(number: number): RxFinding {
  return { id: 'no-media-type', words: `media component ${number} has no Media-Type; some PCRFs take it for audio` };
}

function neverThere({ avps }: DiameterMessage, number: number): RxFinding {
  return {
    id: 'removed-never-there',
    words: `media component ${number} is removed, but never was there`,
    resultCode: rxResultCodes.INVALID_SERVICE_INFORMATION,
    experimental: true,
    failedAvp: avps.encoded(rxAvps.mediaComponentDescription)[0],
  };
}

function breach({ avps }: DiameterMessage, id: string, words: string, resultCode: number): RxFinding {
  return { id, words, resultCode, failedAvp: avps.encoded(baseAvps.sessionId)[0] };
}
