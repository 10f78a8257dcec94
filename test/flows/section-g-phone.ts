import { akaPassword } from '#sip/auth/aka';
import { digestResponse, parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { splitListValues } from '#sip/header/list-values';
import { responseTo, type SentMessage, sip } from '../nodes/worker-harness.ts';
import { type Hop, home, type SectionG, type userA } from './section-g-network.ts';

/** Header fields of a message by name, all values of one in one text; the start line is `start`. */
export type Fields = Readonly<Record<string, string>>;

export function fieldsOf(text: string): Fields {
  const [start, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const fields: Record<string, string> = { start: start! };
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

/** What a hop has changed: by header, its value before and after, '' where there was none. The body has to be the same. */
export function changes(before: string, after: string): Record<string, readonly [string, string]> {
  const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n'));
  if (bodyOf(before) !== bodyOf(after)) throw new Error('the body has changed');
  const [left, right] = [fieldsOf(before), fieldsOf(after)];
  const changed: Record<string, readonly [string, string]> = {};
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const pair = [left[name] ?? '', right[name] ?? ''] as const;
    if (pair[0] !== pair[1]) changed[name] = pair;
  }
  return changed;
}

/** The one message among hops that went this way and starts so. */
export function one(hops: readonly Hop[], way: string, start: string): Hop {
  const found = hops.filter(({ from, to, message }) => `${from}>${to}` === way && message.text.startsWith(start));
  if (found.length !== 1) {
    const all = hops.map(({ from, to, message }) => `${from}>${to} ${message.startLine}`);
    throw new Error(`${found.length} of ${way} ${start} among:\n${all.join('\n')}`);
  }
  return found[0]!;
}

/** A phone of the worked flows. */
export class Phone {
  readonly #network: SectionG;
  readonly #name: 'A' | 'B';
  readonly user: typeof userA;
  /** Security-Server of the registration. */
  server = '';
  serviceRoute = '';
  #cseq = 0;
  #branch = 0;

  constructor(network: SectionG, name: 'A' | 'B', user: typeof userA) {
    this.#network = network;
    this.#name = name;
    this.user = user;
  }

  get contact(): string {
    return `<sip:${this.user.impi.split('@')[0]}@${this.user.address}:${this.user.portS}>`;
  }

  get identity(): string {
    return `<sip:${this.user.number}@${home}>`;
  }

  /** By UDP from its client port to our server port. */
  get udp(): string {
    return `udp ${this.user.address}:${this.user.portC}`;
  }

  /** A request of this phone with the header fields that every one has. */
  request(method: string, uri: string, lines: readonly string[], body = '', transport = 'UDP'): string {
    const has = (name: string) => lines.some((line) => line.startsWith(`${name}:`));
    const defaults = [
      `Via: SIP/2.0/${transport} ${this.user.address}:${this.user.portS};branch=z9hG4bK${this.#name}${++this.#branch}`,
      'Max-Forwards: 70',
      `CSeq: ${++this.#cseq} ${method}`,
    ].filter((line) => !has(line.slice(0, line.indexOf(':'))));
    return sip([`${method} ${uri} SIP/2.0`, ...defaults, ...lines], body);
  }

  send(text: string, source = this.udp, port = 6100): Promise<Hop[]> {
    return this.#network.send(source, port, text);
  }

  /** A response of this phone to a request it was sent. */
  respond(hop: Hop, status: number, lines: readonly string[], body = ''): string {
    return responseTo(hop.message, status, lines, body, `t${this.#name}`);
  }

  /** The lines of both REGISTERs. */
  registerLines(authorization: string): string[] {
    const { impi, portC, portS } = this.user;
    const rest = `prot=esp;mod=trans;spi-c=${portC}11;spi-s=${portS}22;port-c=${portC};port-s=${portS}`;
    return [
      `From: <sip:${impi}>;tag=${this.#name}1`,
      `To: <sip:${impi}>`,
      `Call-ID: reg-${this.#name}@${this.user.address}`,
      `Contact: ${this.contact};+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";+sip.instance="<urn:gsma:imei:35-${this.#name}>";+g.3gpp.smsip;audio`,
      'Expires: 600000',
      `Authorization: Digest username="${impi}",realm="${home}",uri="sip:${home}",${authorization}`,
      `Security-Client: ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;${rest}, ipsec-3gpp;alg=hmac-md5-96;ealg=null;${rest}`,
      'Require: sec-agree',
      'Proxy-Require: sec-agree',
      'Supported: path,sec-agree',
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101',
      'Allow: INVITE,ACK,CANCEL,BYE,UPDATE,PRACK,MESSAGE,REFER,NOTIFY,OPTIONS,INFO',
    ];
  }

  /** The first REGISTER, not protected. */
  firstRegister(): string {
    const via = `Via: SIP/2.0/UDP ${this.user.address}:5060;branch=z9hG4bK${this.#name}r1;rport`;
    return this.request('REGISTER', `sip:${home}`, [via, ...this.registerLines('nonce="",response=""')]);
  }

  /** The REGISTER that answers a challenge. */
  secondRegister(challenge: SentMessage): string {
    const asked = parseDigest(challenge.header('WWW-Authenticate')!);
    if (asked instanceof ParseFailure) throw new Error(asked.reason);
    const nonce = asked.get('nonce')!;
    const { xres, ik, ck } = this.#network.hss.vector!;
    const password = akaPassword('AKAv1-MD5', xres, ik, ck);
    const parts = { method: 'REGISTER', uri: `sip:${home}`, nonce, username: this.user.impi, realm: home, password };
    const response = digestResponse({ ...parts, qop: 'auth', nc: '00000001', cnonce: 'x' });
    this.server = challenge.header('Security-Server')!;
    return this.request('REGISTER', `sip:${home}`, [
      ...this.registerLines(
        `nonce="${nonce}",algorithm=AKAv1-MD5,qop=auth,nc=00000001,cnonce="x",response="${response}"`,
      ),
      `Security-Verify: ${this.server}`,
    ]);
  }

  async register(): Promise<void> {
    const challenged = await this.send(this.firstRegister(), `udp ${this.user.address}:5060`, 5060);
    const challenge = one(challenged, `P>${this.#name}`, 'SIP/2.0 401').message;
    const granted = await this.send(this.secondRegister(challenge));
    this.serviceRoute = one(granted, `P>${this.#name}`, 'SIP/2.0 200').message.header('Service-Route')!;
  }

  /** Lines by which it sends a request outside a dialog. */
  get outgoing(): string[] {
    return [
      `Route: <sip:172.22.0.21:6100;lr>, ${this.serviceRoute}`,
      `P-Preferred-Identity: ${this.identity}`,
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101',
      `Security-Verify: ${this.server}`,
      'Require: sec-agree',
      'Proxy-Require: sec-agree',
    ];
  }
}

/** The values of a Record-Route in the order of the route set of who sent the request. */
export function reversed(recordRoute: string): string {
  const values = splitListValues(recordRoute);
  if (values instanceof ParseFailure) throw new Error(values.reason);
  return values.reverse().join(', ');
}
