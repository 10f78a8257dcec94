import { isIPv6 } from 'node:net';

/** Payload types that this phone speaks: AMR-WB, AMR, PCMU, and key presses. Source: TS 26.114 5.2.1. */
const codecs = [
  { type: '104', lines: ['a=rtpmap:104 AMR-WB/16000/1', 'a=fmtp:104 mode-change-capability=2;max-red=0'] },
  { type: '102', lines: ['a=rtpmap:102 AMR/8000/1', 'a=fmtp:102 mode-change-capability=2;max-red=0'] },
  { type: '0', lines: ['a=rtpmap:0 PCMU/8000'] },
  { type: '101', lines: ['a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15'] },
] as const;

/** An offer of one audio stream. Source: RFC 3264 5. */
export function audioOffer(address: string, port: number, session: number): string {
  const types = codecs.map((codec) => codec.type).join(' ');
  return describe(address, session, [
    audioLines(
      port,
      types,
      codecs.flatMap((codec) => codec.lines),
    ),
  ]);
}

/**
 * The answer to an offer: the first audio stream with the payload types that both know, every other stream refused.
 * Null: there is nothing in common. Source: RFC 3264 6.
 */
export function audioAnswer(offer: string, address: string, port: number, session: number): string | null {
  const media: string[][] = [];
  let accepted = false;
  for (const line of offer.split('\n')) {
    if (!line.startsWith('m=')) continue;
    const [kind = '', , protocol = '', ...types] = line.slice(2).trim().split(' ');
    const common = codecs.filter((codec) => types.includes(codec.type));
    const usable = kind === 'audio' && !accepted && common.some((codec) => codec.type !== '101');
    if (!usable) {
      media.push([`m=${kind} 0 ${protocol} ${types.join(' ')}`]);
      continue;
    }
    accepted = true;
    const chosen = [common[0]!, ...common.filter((codec, i) => i > 0 && codec.type === '101')];
    media.push(
      audioLines(
        port,
        chosen.map((codec) => codec.type).join(' '),
        chosen.flatMap((codec) => codec.lines),
      ),
    );
  }
  return accepted ? describe(address, session, media) : null;
}

function audioLines(port: number, types: string, attributes: readonly string[]): string[] {
  return [`m=audio ${port} RTP/AVP ${types}`, 'b=AS:49', ...attributes, 'a=ptime:20', 'a=maxptime:240', 'a=sendrecv'];
}

function describe(address: string, session: number, media: readonly (readonly string[])[]): string {
  const at = `IN ${isIPv6(address) ? 'IP6' : 'IP4'} ${address}`;
  const lines = ['v=0', `o=- ${session} ${session} ${at}`, 's=-', `c=${at}`, 'b=AS:49', 't=0 0', ...media.flat()];
  return `${lines.join('\r\n')}\r\n`;
}
