/** What one Codec-Data says. */
export interface CodecDescription {
  readonly way: 'uplink' | 'downlink';
  readonly role: 'offer' | 'answer' | 'description';
  /** Media type of the m-line. */
  readonly media: string;
  /** Names of codecs, in lower case. */
  readonly codecs: readonly string[];
}

const longest = 16 * 1024;

/** Codecs of payload types that need no rtpmap. Source: RFC 3551 6. */
const staticCodecs: ReadonlyMap<string, string> = new Map([
  ['0', 'pcmu'],
  ['3', 'gsm'],
  ['4', 'g723'],
  ['8', 'pcma'],
  ['9', 'g722'],
  ['15', 'g728'],
  ['18', 'g729'],
  ['26', 'jpeg'],
  ['31', 'h261'],
  ['34', 'h263'],
]);

/**
 * Reads a Codec-Data: a line `uplink` or `downlink`, one of `offer`, `answer` or `description`, the m-line, and lines about
 * it. Gives what is wrong with it in words. Source: TS 29.214 5.3.7; requirement Q-10.
 */
export function parseCodecData(text: string): CodecDescription | string {
  if (text.length > longest) return `has more than ${longest} octets`;
  if (text.includes('\0')) return 'has a NUL in it';
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  const [way, role, media = '', ...rest] = lines;
  if (way !== 'uplink' && way !== 'downlink') return 'does not begin with a line uplink or downlink';
  if (role !== 'offer' && role !== 'answer' && role !== 'description') {
    return 'has no line offer, answer or description';
  }
  if (!media.startsWith('m=')) return 'has no m-line after its first two lines';
  const stray = rest.find((line) => line[1] !== '=' || !'abik'.includes(line[0]!));
  if (stray !== undefined) return `has the line ${JSON.stringify(stray.slice(0, 40))}, which is not about its m-line`;
  const [type = '', , , ...formats] = media.slice(2).split(' ');
  return { way, role, media: type, codecs: codecsOf(formats, rest) };
}

function codecsOf(formats: readonly string[], lines: readonly string[]): string[] {
  const found = new Set<string>();
  for (const line of lines) {
    if (!line.startsWith('a=rtpmap:')) continue;
    const [, name = ''] = line.split(' ', 2);
    if (name !== '') found.add(name.split('/', 1)[0]!.toLowerCase());
  }
  for (const format of formats) {
    const name = staticCodecs.get(format);
    if (name !== undefined) found.add(name);
  }
  return [...found];
}
