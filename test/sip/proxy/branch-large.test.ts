import { describe, expect, it } from 'vitest';
import { answerTo, branchOf, type ProxyRig, parsed, requestText, startProxy, viaOf } from '../proxy-rig.ts';
import { flowFrom, type Sent, tcpListener, udpListener } from '../wire-port.ts';

const large = 'x'.repeat(1300);
let serial = 0;

/** A request of its own Call-ID with a large body, and what it left as. */
function ask(rig: ProxyRig, uri = 'sip:10.0.0.2', method = 'MESSAGE', body = large): Sent {
  serial += 1;
  const fields = { ...viaOf(`l${serial}`), 'Call-ID': `l${serial}` };
  const before = rig.sent.length;
  rig.receive(requestText(method, fields, uri, body));
  return rig.sent.slice(before).find(({ text }) => text.startsWith(`${method} `))!;
}

const sentByOf = (sent: Sent) => /\r\nVia: (SIP\/2\.0\/\w+ [^;\r]+)/.exec(sent.text)![1];

describe('requests that are too large for a datagram (RFC 3261 18.1.1)', () => {
  it('C-10 go by TCP, with TCP in the topmost Via and the listener of TCP as sender', () => {
    const rig = startProxy();
    const sent = ask(rig);
    expect(sent.target).toEqual({
      listener: tcpListener.index,
      transport: 'tcp',
      address: '10.0.0.2',
      port: 5060,
      connection: 0,
    });
    expect(sentByOf(sent)).toBe('SIP/2.0/TCP 127.0.0.1:5060');
    rig.take();
    rig.time.advance(3_000);
    expect(rig.take()).toEqual([]);
    rig.receive(answerTo(sent.text, 200), flowFrom('10.0.0.2', 5060, 'tcp'));
    expect(rig.take()).toEqual(['SIP/2.0 200 Answer > 10.0.0.1:5060']);
  });

  it('C-10 begin at 1301 octets as they are written, our Via and all', () => {
    const rig = startProxy();
    const lengths: Record<string, number[]> = { udp: [], tcp: [] };
    for (let octets = 900; octets < 1100; octets++) {
      const { text, target } = ask(rig, 'sip:10.0.0.2', 'MESSAGE', 'x'.repeat(octets));
      lengths[target.transport]!.push(text.replace(';alias', '').length);
    }
    expect(Math.max(...lengths.udp!)).toBe(1300);
    expect(Math.min(...lengths.tcp!)).toBe(1301);
  });

  it.each([
    ['the URI says UDP', 'sip:10.0.0.2;transport=udp'],
    ['the host table says UDP', 'sip:pool.test'],
  ])('C-10 stay on UDP where %s', (_name, uri) => {
    const sent = ask(startProxy(), uri);
    expect(sent.target.transport).toBe('udp');
    expect(sentByOf(sent)).toBe('SIP/2.0/UDP 127.0.0.1:5060');
  });

  it('C-10 stay on UDP towards the flow of a UE', () => {
    const rig = startProxy({
      handleRequest: (transaction) => transaction.forward({ targets: [flowFrom('10.0.0.2', 5060)] }),
    });
    expect(ask(rig).target.transport).toBe(udpListener.transport);
  });

  it.each(['refused', 'timeout', 'closed', 'unreachable'] as const)(
    'C-10 fall back to UDP when TCP is %s: the same transaction, the Via changed back, retransmissions',
    (failure) => {
      for (const method of ['MESSAGE', 'INVITE']) {
        const rig = startProxy();
        const byTcp = ask(rig, 'sip:10.0.0.2', method);
        rig.take();
        rig.layer.sendFailed(byTcp.token, failure);
        const byUdp = rig.sent[0]!;
        expect(byUdp.target).toMatchObject({ transport: 'udp', listener: udpListener.index, address: '10.0.0.2' });
        expect(sentByOf(byUdp)).toBe('SIP/2.0/UDP 127.0.0.1:5060');
        expect(branchOf(byUdp.text)).toBe(branchOf(byTcp.text));
        rig.time.advance(600);
        expect(rig.sent.filter(({ text }) => text === byUdp.text)).toHaveLength(2);
        rig.take();
        rig.receive(answerTo(byUdp.text, 200));
        expect(rig.take()).toEqual(['SIP/2.0 200 Answer > 10.0.0.1:5060']);
      }
    },
  );

  it('C-10 C-14 fail when UDP fails as well, and only then is another target tried', () => {
    const rig = startProxy();
    const sent = ask(rig);
    rig.layer.sendFailed(sent.token, 'refused');
    rig.take();
    rig.layer.sendFailed(sent.token, 'unreachable');
    expect(rig.take()).toEqual(['SIP/2.0 504 Server Time-out > 10.0.0.1:5060']);
    expect(rig.core.health.size).toBe(1);
  });

  it('C-10 a peer that refused TCP, or let us wait for it, gets UDP for five minutes', () => {
    for (const failure of ['refused', 'timeout'] as const) {
      const rig = startProxy();
      rig.layer.sendFailed(ask(rig).token, failure);
      expect(ask(rig).target.transport).toBe('udp');
      rig.time.advance(299_000);
      expect(ask(rig).target.transport).toBe('udp');
      expect(ask(rig, 'sip:10.0.0.3').target.transport).toBe('tcp');
      rig.time.advance(1_000);
      expect(ask(rig).target.transport).toBe('tcp');
    }
  });

  it('C-10 a connection that only broke, or for which too much waited, is tried again sooner', () => {
    const rig = startProxy();
    rig.layer.sendFailed(ask(rig).token, 'unreachable');
    const again = ask(rig);
    expect(again.target.transport).toBe('tcp');
    rig.layer.sendFailed(again.token, 'closed');
    expect(ask(rig).target.transport).toBe('udp');
    rig.time.advance(30_000);
    expect(ask(rig).target.transport).toBe('tcp');
  });

  it('C-10 CANCEL and the ACK of a refusal follow their INVITE, by TCP and after the fall-back', () => {
    for (const failed of [false, true]) {
      const rig = startProxy();
      let invite = ask(rig, 'sip:10.0.0.2', 'INVITE');
      if (failed) {
        rig.layer.sendFailed(invite.token, 'refused');
        invite = rig.sent.at(-1)!;
      }
      const { transport } = invite.target;
      expect(transport).toBe(failed ? 'udp' : 'tcp');
      rig.receive(answerTo(invite.text, 180, 'Ringing'), flowFrom('10.0.0.2', 5060, transport as 'udp' | 'tcp'));
      const id = `l${serial}`;
      rig.receive(requestText('CANCEL', { ...viaOf(id), 'Call-ID': id }, 'sip:10.0.0.2'));
      rig.receive(answerTo(invite.text, 487), flowFrom('10.0.0.2', 5060, transport as 'udp' | 'tcp'));
      for (const method of ['CANCEL', 'ACK']) {
        const own = rig.sent.find(({ text }) => text.startsWith(`${method} `))!;
        expect(own.target).toMatchObject({ transport, address: '10.0.0.2', port: 5060 });
        expect(sentByOf(own)).toBe(sentByOf(invite));
        expect(branchOf(own.text)).toBe(branchOf(invite.text));
      }
    }
  });

  it('C-10 a large ACK goes by TCP once TCP has worked with that peer, before that by UDP: nobody hears of its loss', () => {
    const rig = startProxy();
    const ack = () => {
      rig.sent.length = 0;
      rig.receive(requestText('ACK', { To: '<sip:bob@ims.test>;tag=b', 'Call-ID': 'a' }, 'sip:10.0.0.2', large));
      return rig.sent[0]!;
    };
    expect(ack().target.transport).toBe('udp');
    const sent = ask(rig);
    rig.receive(answerTo(sent.text, 200), flowFrom('10.0.0.2', 5060, 'tcp'));
    expect(ack().target).toMatchObject({ transport: 'tcp', listener: tcpListener.index });
    expect(sentByOf(ack())).toBe('SIP/2.0/TCP 127.0.0.1:5060');
  });

  it('C-26 a response goes back the way the request came, however large it is', () => {
    const rig = startProxy();
    const sent = ask(rig, 'sip:10.0.0.2', 'MESSAGE', '');
    rig.take();
    rig.receive(answerTo(sent.text, 200, 'OK', [`P-Associated-URI: <sip:${'a'.repeat(3000)}@ims.test>`]));
    expect(rig.sent[0]!.target).toMatchObject({ transport: 'udp', address: '10.0.0.1' });
    expect(rig.sent[0]!.text.length).toBeGreaterThan(3000);
    expect(parsed(rig.sent[0]!.text).kind).toBe('response');
  });
});
