import { ParseFailure } from '#sip/errors';
import { trimBlanks } from '#sip/header/token';
import type { SipRequest } from '#sip/message/request';
import { attributeValue, isAttribute, type SdpLine } from '#sip/sdp/sdp-lines';
import type { SessionDescription } from '#sip/sdp/session-description';
import type { Effort, ExpressionSearch } from './expression-search.ts';

/** Lines of a session description: those of a type, or attributes of a name. */
export type SdpLineNames =
  | { readonly kind: 'type'; readonly type: string }
  | { readonly kind: 'attribute'; readonly name: string }
  /** Has to match the whole type or the whole name of an attribute. */
  | { readonly kind: 'expression'; readonly expression: ExpressionSearch };

/** Takes a plain name apart: `m` and `m=` are a type, `rtpmap` and `a=rtpmap` an attribute. */
export function sdpLinesNamed(name: string): SdpLineNames {
  const bare = name.length > 2 && name.startsWith('a=') ? name.slice(2) : name.replace('=', '');
  return bare.length === 1 ? { kind: 'type', type: bare } : { kind: 'attribute', name: bare };
}

/**
 * Whether a request has a session description, in a multipart body too, with such a line and, where `content` is given,
 * one in whose value it is found: what stands behind `m=`; of an attribute that is named, what stands behind its colon.
 * A description that is malformed has no lines.
 *
 * Source: TS 29.228 annex F; requirement S-92.
 */
export function sessionDescriptionHolds(
  names: SdpLineNames,
  content: ExpressionSearch | null,
  request: SipRequest,
  effort: Effort,
): boolean {
  const { sdp } = request;
  if (sdp === null || sdp instanceof ParseFailure) return false;
  return someLine(sdp, (line) => lineHolds(names, content, line, effort));
}

/** The lines of that name as they stand there, or why there are none. */
export function sdpLinesSeen(names: SdpLineNames, request: SipRequest, effort: Effort): string[] | ParseFailure | null {
  const { sdp } = request;
  if (sdp === null || sdp instanceof ParseFailure) return sdp;
  const seen = sdp.lines.filter((line) => lineHolds(names, null, line, effort));
  return seen.map(({ type, value }) => `${type}=${value}`);
}

/** Not `sdp.lines`, which is made anew each time. */
function someLine(sdp: SessionDescription, holds: (line: SdpLine) => boolean): boolean {
  for (const line of sdp.session.all) if (holds(line)) return true;
  for (const { line, lines } of sdp.media) {
    if (holds(line)) return true;
    for (const below of lines.all) if (holds(below)) return true;
  }
  return false;
}

function lineHolds(names: SdpLineNames, content: ExpressionSearch | null, line: SdpLine, effort: Effort): boolean {
  switch (names.kind) {
    case 'type':
      return line.type === names.type && (content === null || content.isIn(line.value, effort));
    case 'attribute': {
      if (!isAttribute(line, names.name)) return false;
      return content === null || content.isIn(attributeValue(line, names.name), effort);
    }
    case 'expression': {
      const { expression } = names;
      if (expression.isIn(line.type, effort) && (content === null || content.isIn(line.value, effort))) return true;
      if (line.type !== 'a') return false;
      const name = nameOf(line);
      if (!expression.isIn(name, effort)) return false;
      return content === null || content.isIn(attributeValue(line, name), effort);
    }
  }
}

/** The name of an attribute: what stands before its colon. */
function nameOf({ value }: SdpLine): string {
  const colon = value.indexOf(':');
  return trimBlanks(colon < 0 ? value : value.slice(0, colon));
}
