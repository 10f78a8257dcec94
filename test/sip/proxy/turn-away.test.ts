import { describe, expect, it } from 'vitest';
import { reasons } from '#ims/reasons';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { requestText, startProxy, ua, viaOf } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

const refused = `SIP/2.0 403 Forbidden > ${ua}`;
const atTheDoor: NodeLogic = { admit: () => reasons.untrustedPeer };
const stranger = (logic: NodeLogic) =>
  startProxy(
    logic,
    '',
    () => {},
    () => true,
  );
const inside: NodeLogic = { handleRequest: (transaction) => transaction.refuse(reasons.notRegistered) };

describe('a sender nobody knows', () => {
  it.each([
    ['before routing', atTheDoor],
    ['by a procedure', inside],
  ])('X-I20 is refused once %s: no retransmission, nothing kept, a copy is refused anew', (_name, logic) => {
    const rig = stranger(logic);
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual([refused]);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
    expect([...rig.retained.values()]).toEqual([0]);
    rig.time.advance(60_000);
    expect(rig.take()).toEqual([]);
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual([refused]);
    rig.receive(requestText('ACK', { To: '<sip:bob@ims.test>;tag=x', CSeq: '1 ACK' }));
    if (logic === atTheDoor) expect(rig.take()).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  it.each(['REGISTER', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE'])('X-F2 leaves no transaction behind with %s', (method) => {
    const rig = stranger(atTheDoor);
    for (let i = 0; i < 100; i++) {
      rig.receive(requestText(method, { ...viaOf(i), 'Call-ID': `c${i}` }));
    }
    expect(rig.take().length).toBe(100);
    expect(rig.layer.counts.servers).toBe(0);
  });

  it('X-I20 hears at most one and a half times what it sent, over UDP', () => {
    const rig = stranger(atTheDoor);
    const large = requestText('INVITE', { Subject: 'x'.repeat(200) });
    rig.receive(large);
    expect(rig.sent[0]!.text).toContain('Warning: 399 proxy.test "untrusted-peer');
    const compact =
      'INVITE sip:b SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK2\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:1\r\nCSeq:1 INVITE\r\nm:<sip:a>\r\n\r\n';
    rig.receive(compact);
    expect(rig.sent[1]!.text).not.toContain('Warning');
    rig.receive(compact, flowFrom('10.0.0.1', 5060, 'tcp'));
    expect(rig.sent[2]!.text).toContain('Warning');
    const ratios = [rig.sent[0]!.text.length / large.length, rig.sent[1]!.text.length / compact.length];
    for (const ratio of ratios) expect(ratio).toBeLessThanOrEqual(1.5);
    // With a Via that has to grow not even the bare answer is short enough.
    const tiny = compact.replace('SIP/2.0/UDP h;', 'SIP/2.0/UDP h;rport;').replace('INVITE sip:b ', 'INVITE tel:1 ');
    rig.receive(tiny, flowFrom('2001:db8:1111:2222:3333:4444:5555:6666', 50_600));
    expect(rig.sent.length).toBe(3);
  });

  it('X-I20 is refused once for what the proxy itself finds wrong; anybody else hears it until his ACK', () => {
    const spent = requestText('INVITE', { 'Max-Forwards': '0' });
    const rig = stranger({});
    rig.receive(spent);
    rig.time.advance(10_000);
    expect(rig.take()).toEqual([`SIP/2.0 483 Too Many Hops > ${ua}`]);
    for (const known of [startProxy(), startProxy(atTheDoor)]) {
      known.receive(spent);
      known.time.advance(10_000);
      expect(known.take().length).toBeGreaterThan(3);
    }
  });

  it('X-I20 what was sent on for a stranger is answered like any other request', () => {
    const rig = stranger({});
    rig.receive(requestText('REGISTER'));
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(forwarded.replace(/^REGISTER.*/, 'SIP/2.0 503 Busy'));
    expect(rig.take()).toEqual([`SIP/2.0 500 Server Internal Error > ${ua}`]);
    rig.receive(requestText('REGISTER'));
    expect(rig.take()).toEqual([`SIP/2.0 500 Server Internal Error > ${ua}`]);
  });

  it('X-F1 tells how a request ended, an INVITE only when it failed', () => {
    const ended: string[] = [];
    const rig = startProxy(atTheDoor, '', ({ method }, status) => ended.push(`${method} ${status}`));
    rig.receive(requestText('INVITE'));
    expect(ended).toEqual(['INVITE 403']);
    const plain = startProxy({}, '', ({ method }, status) => ended.push(`${method} ${status}`));
    plain.receive(requestText('OPTIONS', {}, 'sip:proxy.test'));
    expect(ended).toEqual(['INVITE 403', 'OPTIONS 200']);
  });
});
