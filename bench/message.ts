import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import { checkRequest } from '#sip/parser/sanity';
import type { Flow } from '#sip/transport/flow';
import type { Bench } from './bench.ts';

const flow: Flow = { listener: 0, transport: 'udp', address: '127.16.0.1', port: 5070, connection: 0 };
const sdp = [
  'v=0',
  'o=rig 1 1 IN IP4 127.16.0.1',
  's=-',
  'c=IN IP4 127.16.0.1',
  't=0 0',
  'm=audio 49152 RTP/AVP 104 101',
  'b=AS:38',
  'a=rtpmap:104 AMR-WB/16000',
  'a=fmtp:104 mode-change-capability=2',
  'a=rtpmap:101 telephone-event/16000',
  'a=sendrecv',
  '',
].join('\r\n');

/** An INVITE as a VoLTE phone sends it: about 1.4 kB, 18 header fields. */
export const inviteText = [
  'INVITE sip:user500001@ims.test SIP/2.0',
  'Via: SIP/2.0/UDP 127.16.0.1:5070;branch=z9hG4bK-1-2-3;rport',
  'Max-Forwards: 70',
  'From: <sip:user000001@ims.test>;tag=123c1',
  'To: <sip:user500001@ims.test>',
  'Call-ID: 1-123@127.0.0.10',
  'CSeq: 1 INVITE',
  'Route: <sip:127.0.8.1:5060;lr>, <sip:orig@127.0.8.3:6060;lr>',
  'Contact: <sip:user000001@127.16.0.1:5070>;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"',
  'P-Preferred-Identity: <sip:user000001@ims.test>',
  'P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel',
  'P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=001010001000019B',
  'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"',
  'Supported: 100rel, precondition, timer',
  'Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, MESSAGE, NOTIFY, OPTIONS, INFO, REFER',
  'User-Agent: rig-ue',
  'Content-Type: application/sdp',
  `Content-Length: ${sdp.length}`,
  '',
  sdp,
].join('\r\n');

const octets = Buffer.from(inviteText, 'latin1');
const out = Buffer.alloc(8192);

function read(): SipRequest {
  return parseMessage(octets.toString('latin1'), flow) as SipRequest;
}

/** The plain way: split into lines, a Map of arrays, joined again. */
function splitAndJoin(): number {
  const [head, body] = octets.toString('latin1').split('\r\n\r\n') as [string, string];
  const [start, ...lines] = head.split('\r\n');
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const values = fields.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    fields.set(name, values);
  }
  fields.get('via')!.unshift('SIP/2.0/UDP 127.0.8.1:5060;branch=z9hG4bK0-1-abc');
  fields.set('max-forwards', ['69']);
  let text = `${start}\r\n`;
  for (const [name, values] of fields) for (const value of values) text += `${name}: ${value}\r\n`;
  return Buffer.from(`${text}\r\n${body}`, 'latin1').length;
}

const plain = {
  name: 'split into a Map, two edits, joined',
  run(iterations: number): number {
    let sum = 0;
    for (let i = 0; i < iterations; i++) sum += splitAndJoin();
    return sum;
  },
};

export const benches: readonly Bench[] = [
  {
    name: 'parse an INVITE of 1.4 kB',
    baseline: plain,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += read().headers.lines.length;
      return sum;
    },
  },
  {
    name: 'parse and sanity checks',
    baseline: plain,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) if (checkRequest(read()) === null) sum++;
      return sum;
    },
  },
  {
    name: 'parse, six edits, write',
    baseline: plain,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        const request = read();
        const { headers } = request;
        headers.prepend(Header.Via, 'SIP/2.0/UDP 127.0.8.1:5060;branch=z9hG4bK0-1-abc');
        headers.set(Header['Max-Forwards'], '69');
        headers.removeFirst(Header.Route);
        headers.remove(Header['P-Preferred-Identity']);
        headers.prepend(Header['P-Asserted-Identity'], '<sip:user000001@ims.test>');
        headers.prepend(Header['Record-Route'], '<sip:abc@127.0.8.1:5060;lr>');
        sum += out.write(writeMessage(request), 'latin1');
      }
      return sum;
    },
  },
];
