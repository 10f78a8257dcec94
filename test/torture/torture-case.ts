/** What the parser says, a broken Via included: it takes a message, or refuses it with a status, or drops it. */
export type ParserVerdict = 'accepted' | '400' | '413' | '414' | '416' | '505' | 'dropped';

/** What a node does with a message: passes it on, answers with a status, or is silent. */
export type NodeVerdict = 'forwarded' | 'dropped' | `${number}`;

/** What the three daemons do with a message of a stranger: of an address that is neither registered nor trusted. */
export interface DaemonVerdicts {
  readonly pcscf: NodeVerdict;
  readonly icscf: NodeVerdict;
  readonly scscf: NodeVerdict;
}

/** One hostile or odd message and what has to become of it. */
export interface TortureCase {
  readonly name: string;
  /** `RFC 4475 3.1.1.1`. */
  readonly section: string;
  /** What is odd about it, one line. */
  readonly about: string;
  /** Octets, as latin1 text. */
  readonly message: string;
  readonly parser: ParserVerdict;
  readonly proxy: NodeVerdict;
  readonly daemons: DaemonVerdicts;
  /** Words that the Warning of the proxy's refusal, or what is said of a dropped message, holds. */
  readonly reason?: string;
}

/** A well-formed request of somebody unknown: no registration at the P-CSCF, no trust at the two others. */
export const stranger: DaemonVerdicts = Object.freeze({ pcscf: '403', icscf: '403', scscf: '403' });

/** Nobody answers. */
export const silent: DaemonVerdicts = Object.freeze({ pcscf: 'dropped', icscf: 'dropped', scscf: 'dropped' });

/** All three answer alike, before they look at who sends. */
export function everywhere(verdict: NodeVerdict): DaemonVerdicts {
  return { pcscf: verdict, icscf: verdict, scscf: verdict };
}

/** The verdicts of a message that the parser refuses: its status is everybody's. */
export function refused(status: '400' | '413' | '414' | '416' | '505', reason: string) {
  return { parser: status, proxy: status, daemons: everywhere(status), reason } as const;
}

/** The verdicts of a sound request that a stranger sends. */
export function forwarded(daemons: DaemonVerdicts = stranger) {
  return { parser: 'accepted', proxy: 'forwarded', daemons } as const;
}

/** Lines with CRLF, the empty line, the body; `LENGTH` in a line becomes the length of the body. */
export function wire(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`.replace('LENGTH', String(body.length));
}

/** A text as the octets of its UTF-8, one character an octet. */
export function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A small session description. */
export const sdp = [
  'v=0',
  'o=meister 1 1 IN IP4 198.51.100.8',
  's=-',
  'c=IN IP4 198.51.100.8',
  't=0 0',
  'm=audio 40000 RTP/AVP 96',
  'a=rtpmap:96 AMR/8000',
  '',
].join('\r\n');
