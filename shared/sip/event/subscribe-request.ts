import { type Refusal, refusal } from '../dialog/refusal.ts';
import { ParseFailure } from '../errors.ts';
import { accepts, parseAccept } from '../header/accept.ts';
import { parseEvent } from '../header/event.ts';
import { maxDeltaSeconds, parseClipped } from '../header/number-value.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { coreReasons } from '../reasons.ts';

/** An event package as its notifier offers it. Durations in seconds. */
export interface EventPackage {
  /** `reg`. */
  readonly event: string;
  /** Type of its documents, lower case. */
  readonly contentType: string;
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/** What a SUBSCRIBE asks for. */
export interface SubscribeRequest {
  /** Event of the NOTIFYs: the package, with the id of the SUBSCRIBE. */
  readonly event: string;
  /** How long it is granted; 0: only the state of now, or the end of a subscription. */
  readonly seconds: number;
}

/**
 * Reads a SUBSCRIBE for a package: 489 for another one, 406 when Accept does not take its documents, 423 for a time that
 * is too short, 400 for what cannot be read. A longer time than allowed is shortened.
 *
 * Source: RFC 6665 4.2.1.1, 8.2.1; requirements C-31, S-60, S-61.
 */
export function readSubscribe(request: SipRequest, offered: EventPackage): SubscribeRequest | Refusal {
  const { headers } = request;
  const value = headers.get(Header.Event);
  const event = value === null ? new ParseFailure('no Event') : parseEvent(value);
  if (event instanceof ParseFailure || event.package !== offered.event) {
    const detail = event instanceof ParseFailure ? event.reason : event.package;
    return refusal(coreReasons.badEvent, detail, [[Header['Allow-Events'], offered.event]]);
  }
  const accept = headers.has(Header.Accept) ? parseAccept(headers.values(Header.Accept).join(', ')) : null;
  if (accept instanceof ParseFailure) return refusal(coreReasons.malformed, `Accept: ${accept.reason}`);
  if (accept !== null && !accepts(accept, offered.contentType)) {
    return refusal(coreReasons.bodyNotAccepted, offered.contentType, [[Header.Accept, offered.contentType]]);
  }
  const seconds = secondsOf(headers.get(Header.Expires), offered);
  if (seconds instanceof ParseFailure) return refusal(coreReasons.malformed, `Expires: ${seconds.reason}`);
  if (seconds > 0 && seconds < offered.minSeconds) {
    return refusal(coreReasons.subscriptionTooBrief, '', [[Header['Min-Expires'], String(offered.minSeconds)]]);
  }
  return { event: event.id === '' ? event.package : `${event.package};id=${event.id}`, seconds };
}

function secondsOf(value: string | null, offered: EventPackage): number | ParseFailure {
  if (value === null) return offered.defaultSeconds;
  const seconds = parseClipped(value, maxDeltaSeconds);
  return seconds instanceof ParseFailure ? seconds : Math.min(seconds, offered.maxSeconds);
}
