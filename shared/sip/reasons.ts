import { formatWarning } from './header/warning.ts';

/**
 * Why a request was refused: one id for the Warning text, the log, the metric label and the trace.
 */
export interface Reason {
  readonly id: string;
  readonly status: number;
  /** What a lab user reads in the Warning header. */
  readonly text: string;
}

const reason = (id: string, status: number, text: string): Reason => Object.freeze({ id, status, text });

/** Refusals of the plain core; those of IMS procedures stand in shared/ims/reasons.ts. docs/errors.md lists both. */
export const coreReasons = Object.freeze({
  malformed: reason('malformed', 400, 'the request cannot be parsed'),
  bodyTooLarge: reason('body-too-large', 413, 'the body is larger than 64 KiB'),
  uriTooLong: reason('uri-too-long', 414, 'the Request-URI is longer than 4 KiB'),
  unsupportedScheme: reason('unsupported-scheme', 416, 'the URI scheme is not sip, sips, tel or urn'),
  bodyNotAccepted: reason('body-not-accepted', 406, 'Accept does not take what this event package sends'),
  requiredExtension: reason('required-extension', 420, 'Require names an extension this node does not support'),
  badExtension: reason('bad-extension', 420, 'Proxy-Require names an extension this node does not support'),
  sessionTooBrief: reason('session-too-brief', 422, 'the requested session interval is shorter than allowed'),
  subscriptionTooBrief: reason('subscription-too-brief', 423, 'the requested subscription is shorter than allowed'),
  maxBreadth: reason('max-breadth', 440, 'the request may not be split into as many branches as there are contacts'),
  noTransaction: reason('no-transaction', 481, 'no transaction matches this CANCEL'),
  unknownDialog: reason('unknown-dialog', 481, 'the request belongs to no dialog of this node'),
  loop: reason('loop', 482, 'the request passed this node too often'),
  mergedRequest: reason('merged-request', 482, 'a copy of the request came another way and is answered here'),
  tooManyHops: reason('too-many-hops', 483, 'Max-Forwards has reached zero'),
  canceled: reason('canceled', 487, 'the caller gave up'),
  badEvent: reason('bad-event', 489, 'this event package is not served here'),
  outOfOrder: reason('out-of-order', 500, 'CSeq is lower than that of an earlier request of the dialog'),
  internal: reason('internal', 500, 'this node failed to handle the request; its log says why'),
  nextHopBusy: reason('next-hop-busy', 500, 'the next hop answered 503'),
  unsupportedVersion: reason('unsupported-version', 505, 'the SIP version is not 2.0'),
  noAnswer: reason('no-answer', 408, 'the next hop did not answer'),
  nextHopSilent: reason('next-hop-silent', 504, 'the next hop did not answer'),
  nextHopUnreachable: reason('next-hop-unreachable', 504, 'the next hop cannot be reached'),
  unresolvable: reason(
    'unresolvable',
    504,
    'no address was found for the next hop; name it under hosts: or in the DNS',
  ),
  draining: reason('draining', 503, 'this node is shutting down'),
  overload: reason('overload', 503, 'this node is overloaded'),
});

/** The reason of a check that failed before any procedure, by the status it deserves. */
export function sanityReason(status: number): Reason {
  switch (status) {
    case 413:
      return coreReasons.bodyTooLarge;
    case 414:
      return coreReasons.uriTooLong;
    case 416:
      return coreReasons.unsupportedScheme;
    case 481:
      return coreReasons.noTransaction;
    case 505:
      return coreReasons.unsupportedVersion;
    default:
      return coreReasons.malformed;
  }
}

/** Value of the Warning header that names a refusal. Source: RFC 3261 20.43. */
export function warningOf(reason: Reason, host: string, detail = ''): string {
  const text = detail === '' ? `${reason.id}: ${reason.text}` : `${reason.id}: ${reason.text} (${detail})`;
  return formatWarning(host, printable(text));
}

/** At most 300 characters, without control characters and with plain quotes: it holds what peers sent. */
function printable(text: string): string {
  let out = '';
  for (let i = 0; i < text.length && i < 300; i++) {
    const c = text.charCodeAt(i);
    out += c < 32 || c === 127 ? ' ' : c === 34 || c === 92 ? "'" : text[i];
  }
  return out;
}
