import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { startProxy } from '../proxy-rig.ts';

/** Lines that no node here acts on, each with something odd about its form. */
const lines = [
  'Session-ID:   ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000 ; x=y',
  'User-to-User : 56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar',
  'ALERT-INFO:<urn:alert:service:call-waiting>,<http://www.example.com/a,b.wav>;appearance=0',
  'Call-Info: <cid:3@x> ;purpose=icon,\r\n\t<http://x/?a=b>;purpose=info',
  'History-Info: "A, B" <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1, <sip:c@d>;index=1.1;mp=1',
  'History-Info: <sip:e@f;cause=408>;index=1.1.1;new="\xff\xfe"',
  'Geolocation: <cid:a@b>;inserted-by="x" , <sips:l@m>',
  'geolocation-routing: Yes',
  'Feature-Caps: *;+g.3gpp.srvcc;+g.3gpp.atcf-mgmt-uri="<sip:a@b>"',
  'Recv-Info:',
  'Recv-Info: a;b="c, d" ,e',
  'Info-Package: g.3gpp.ussd;x',
  'Target-Dialog: fa77as7dad8@host;local-tag=kkaz-;remote-tag=6544;unknown',
  'P-Charging-Vector: icid-value="a;b";new=x;icid-generated-at=[::1];orig-ioi="x y"',
  'P-Charging-Function-Addresses: ccf=1.1.1.1;CCF="[5555::b]";x="y, z"',
  'P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=00101, IEEE-802.11;i-wlan-node-id=ac',
  'P-Served-User: <sip:a@b>;sescase=orig;regstate=reg;new',
  'P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel , urn:urn-7:x',
  'P-Associated-URI: <sip:a@b>;x=1,"C, D" <tel:+1>',
  'P-Called-Party-ID: "B" <sip:b@c;user=phone>;x="y"',
  'P-Visited-Network-ID: "Visited network, 1";x=y, other.net',
  'a: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel" ;explicit;require',
  'j:*;audio',
  'P-Early-Media: supported ,gated,\r\n  new',
  'Privacy: id;critical',
  'Resource-Priority: wps.3,x.y',
  'X-Unknown:   kept   as it is',
];
const start = 'INVITE sip:bob@10.0.0.2 SIP/2.0';
const own = [
  'Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKua1',
  'Max-Forwards: 70',
  'Route: <sip:127.0.0.1:5060;lr>',
  'From: <sip:alice@ims.test>;tag=a',
  'To: <sip:bob@ims.test>',
  'Call-ID: call-1',
  'CSeq: 1 INVITE',
  'Contact: <sip:alice@10.0.0.1>',
];
const text = `${[start, ...own.slice(0, 3), ...lines, ...own.slice(3)].join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;

/** Header lines as they stand on the wire, folded ones as one. */
const linesOf = (message: string) => message.slice(0, -4).split(/\r\n(?![ \t])/);

describe('headers that pass', () => {
  it('C-32 C-33 S-116 a proxy leaves them byte for byte, in their order', () => {
    const rig = startProxy();
    rig.receive(text);
    const forwarded = linesOf(rig.sent.find(({ text: sent }) => sent.startsWith('INVITE'))!.text);
    expect(forwarded).toContain('Max-Forwards: 69');
    expect(forwarded.filter((line) => line.startsWith('Via:'))).toHaveLength(2);
    expect(forwarded.some((line) => line.startsWith('Route:'))).toBe(false);
    expect(forwarded.filter((line) => lines.includes(line))).toEqual(lines);
  });

  it('C-33 so it does when a node edits others among them', () => {
    const logic: NodeLogic = {
      handleRequest: (transaction) => {
        const { headers } = transaction.request;
        headers.set(Header['P-Served-User'], '<sip:x@y>');
        headers.remove(Header['Resource-Priority']);
        headers.prepend(Header['P-Asserted-Identity'], '<sip:a@b>');
        headers.append(Header['History-Info'], '<sip:g@h>;index=1.1.1.1');
        transaction.forward();
      },
    };
    const rig = startProxy(logic);
    rig.receive(text);
    expect(rig.errors).toEqual([]);
    const forwarded = linesOf(rig.sent.find(({ text: sent }) => sent.startsWith('INVITE'))!.text);
    const kept = lines.filter((line) => !line.startsWith('P-Served-User') && !line.startsWith('Resource-Priority'));
    expect(forwarded.filter((line) => lines.includes(line))).toEqual(kept);
    expect(forwarded[forwarded.indexOf(lines[5]!) + 1]).toBe('History-Info: <sip:g@h>;index=1.1.1.1');
  });
});
