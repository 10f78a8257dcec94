import { ApplicationServer, type ApplicationServerOptions } from '#lab/as/application-server';
import { type Address, UdpPeer } from '../../torture/raw-peer.ts';

/** A header field of a message, '' when it is absent; of several lines all values, with commas. */
export function field(message: string, name: string): string {
  const head = message.slice(0, message.indexOf('\r\n\r\n'));
  const prefix = `${name.toLowerCase()}:`;
  const lines = head.split('\r\n').filter((line) => line.toLowerCase().startsWith(prefix));
  return lines.map((line) => line.slice(prefix.length).trim()).join(', ');
}

export function body(message: string): string {
  return message.slice(message.indexOf('\r\n\r\n') + 4);
}

/** `INVITE sip:bob@ims.test`, or `200 OK`. */
export function head(message: string | null): string {
  const line = message?.slice(0, message.indexOf('\r\n')) ?? 'nothing';
  return line.startsWith('SIP/2.0 ') ? line.slice(8) : line.replace(/ SIP\/2\.0$/, '');
}

export type Fields = Readonly<Record<string, string>>;

let branches = 0;

export function text(first: string, fields: Fields, content = ''): string {
  const lines = Object.entries(fields).filter(([, value]) => value !== '');
  const all = [...lines, ['Content-Length', String(content.length)]];
  return `${first}\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${content}`;
}

/** An application server at a free port, and two raw S-CSCF sides: what comes to it, and where it sends on. */
export interface AsRig {
  readonly server: ApplicationServer;
  readonly near: UdpPeer;
  readonly far: UdpPeer;
  readonly notes: string[];
  /** `sip:proxy;x@127.0.0.1:5090` in brackets, with `lr`. */
  route(user: string, parameters?: string): string;
  /** The entry that leads back, with the identifier of the chain. */
  readonly odi: string;
  /** A request that `near` makes; a new branch unless `fields` has a Via. */
  request(method: string, uri: string, fields?: Fields, content?: string): string;
  send(message: string, from?: UdpPeer): Promise<void>;
  /** An answer of a peer to a request that it heard. */
  answer(to: string, status: string, fields?: Fields, content?: string): string;
  close(): Promise<void>;
}

export async function openRig(options: Partial<ApplicationServerOptions> = {}): Promise<AsRig> {
  const near = await UdpPeer.open('127.0.0.1');
  const far = await UdpPeer.open('127.0.0.1');
  const notes: string[] = [];
  const server = await ApplicationServer.open({
    address: '127.0.0.1',
    port: 0,
    home: 'ims.test',
    scscf: { address: '127.0.0.1', port: far.port },
    note: (words) => void notes.push(words),
    ...options,
  });
  const at: Address = { address: '127.0.0.1', port: server.port };
  return {
    server,
    near,
    far,
    notes,
    odi: `<sip:odi-7@127.0.0.1:${far.port};lr>`,
    route: (user, parameters = '') => `<sip:${user}@127.0.0.1:${server.port}${parameters};lr>`,
    request: (method, uri, fields = {}, content = '') =>
      text(
        `${method} ${uri} SIP/2.0`,
        {
          Via: `SIP/2.0/UDP 127.0.0.1:${near.port};branch=z9hG4bKnear${++branches}`,
          'Max-Forwards': '68',
          From: '<sip:alice@ims.test>;tag=a',
          To: '<sip:bob@ims.test>',
          'Call-ID': 'call-1',
          CSeq: `1 ${method}`,
          Contact: `<sip:alice@127.0.0.1:${near.port}>;+g.3gpp.icsi-ref="mmtel"`,
          ...fields,
        },
        content,
      ),
    send: (message, from = near) => from.send(message, at),
    answer: (to, status, fields = {}, content = '') =>
      text(
        `SIP/2.0 ${status}`,
        {
          Via: field(to, 'Via'),
          'Record-Route': field(to, 'Record-Route'),
          From: field(to, 'From'),
          To: field(to, 'To').includes(';tag=') ? field(to, 'To') : `${field(to, 'To')};tag=b`,
          'Call-ID': field(to, 'Call-ID'),
          CSeq: field(to, 'CSeq'),
          ...fields,
        },
        content,
      ),
    async close() {
      await server.close();
      await Promise.all([near.close(), far.close()]);
    },
  };
}

/** What a peer waits for: a request by its method, or a response by its status. */
export function starts(word: string): (message: string) => boolean {
  return (message) => message.startsWith(`${word} `) || message.startsWith(`SIP/2.0 ${word}`);
}

export async function heard(peer: UdpPeer, word: string): Promise<string> {
  const message = await peer.next(starts(word));
  if (message === null) throw new Error(`no ${word} came, but ${JSON.stringify(peer.heard.map(head))}`);
  return message;
}
