import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { answerTo, branchOf, type ProxyRig, parsed, requestText, startProxy, viaOf } from '../proxy-rig.ts';
import { flowFrom, type Sent } from '../wire-port.ts';

/** Hosts that requests went to since the last call. */
function went(rig: ProxyRig): string[] {
  return rig.take().flatMap((line) => (line.startsWith('SIP/2.0') ? [] : [line.slice(line.indexOf('> ') + 2)]));
}

let serial = 0;

/** A request of its own Call-ID to three servers of one name. */
function ask(rig: ProxyRig, method = 'MESSAGE', host = 'trio.test'): Sent {
  serial += 1;
  const fields = { ...viaOf(`f${serial}`), 'Call-ID': `f${serial}` };
  rig.receive(requestText(method, fields, `sip:${host}`));
  return rig.sent.at(-1)!;
}

const [first, second] = ['10.0.0.31:5060', '10.0.0.32:5060'];
const timerFMs = 33_000;

describe('failing over to the next target', () => {
  it('C-16 sends the same bytes with another branch and the same CSeq', () => {
    const rig = startProxy();
    const before = ask(rig, 'INVITE');
    rig.receive(answerTo(before.text, 503));
    const after = rig.sent.findLast(({ text }) => text.startsWith('INVITE '))!;
    expect(after.target.address).toBe('10.0.0.32');
    expect(branchOf(after.text)).not.toBe(branchOf(before.text));
    expect(after.text.replace(branchOf(after.text), '')).toBe(before.text.replace(branchOf(before.text), ''));
    expect((parsed(after.text) as SipRequest).headers.get(Header.CSeq)).toBe('1 INVITE');
  });

  it.each([
    ['503', (rig: ProxyRig, sent: Sent) => rig.receive(answerTo(sent.text, 503))],
    ['silence', (rig: ProxyRig) => rig.time.advance(timerFMs)],
    ['a transport error', (rig: ProxyRig, sent: Sent) => rig.layer.sendFailed(sent.token)],
    [
      '503 after a 100',
      (rig: ProxyRig, sent: Sent) => {
        rig.receive(answerTo(sent.text, 100, 'Trying'));
        rig.receive(answerTo(sent.text, 503));
      },
    ],
  ] as const)('C-14 C-16 C-17 tries the next target after %s, and the next request begins there', (_name, fail) => {
    for (const method of ['INVITE', 'MESSAGE']) {
      const rig = startProxy();
      const sent = ask(rig, method);
      rig.take();
      fail(rig, sent);
      const retried = went(rig).filter((target) => target !== first);
      expect(retried[0]).toBe(second);
      ask(rig, method);
      expect(went(rig)).toEqual([second]);
    }
  });

  it('C-16 does not try another one once the caller has heard it ring', () => {
    const rig = startProxy();
    const invite = ask(rig, 'INVITE');
    rig.receive(answerTo(invite.text, 180, 'Ringing'));
    rig.take();
    rig.receive(answerTo(invite.text, 503));
    expect(rig.sent.some(({ text }) => text.startsWith('INVITE '))).toBe(false);
    expect(rig.sent.some(({ text }) => text.startsWith('SIP/2.0 500 '))).toBe(true);
  });

  it('C-16 does not try another one after CANCEL', () => {
    const rig = startProxy();
    const invite = ask(rig, 'INVITE');
    rig.receive(answerTo(invite.text, 100, 'Trying'));
    const id = `f${serial}`;
    const via = { ...viaOf(id), 'Call-ID': id };
    rig.receive(requestText('CANCEL', via, 'sip:trio.test'));
    rig.take();
    rig.receive(answerTo(invite.text, 503));
    expect(rig.sent.some(({ text }) => text.startsWith('INVITE '))).toBe(false);
  });

  it('C-06 C-16 after a failover CANCEL waits for a provisional response of the new target', () => {
    const rig = startProxy();
    const before = ask(rig, 'INVITE');
    rig.receive(answerTo(before.text, 100, 'Trying'));
    rig.receive(answerTo(before.text, 503));
    const after = rig.sent.findLast(({ text }) => text.startsWith('INVITE '))!;
    const id = `f${serial}`;
    const via = { ...viaOf(id), 'Call-ID': id };
    rig.take();
    rig.receive(requestText('CANCEL', via, 'sip:trio.test'));
    expect(rig.sent.some(({ text }) => text.startsWith('CANCEL '))).toBe(false);
    rig.receive(answerTo(after.text, 180, 'Ringing'));
    expect(rig.sent.filter(({ text }) => text.startsWith('CANCEL ')).map(({ target }) => target.address)).toEqual([
      '10.0.0.32',
    ]);
  });

  it('C-14 C-16 gives 408 or 504 when no target answered, and 500 when the last one answered 503', () => {
    const silent = startProxy();
    ask(silent, 'INVITE');
    silent.time.advance(3 * timerFMs);
    expect(silent.sent.at(-1)!.text).toMatch(/^SIP\/2\.0 408 /);
    const dead = startProxy();
    for (let sent = ask(dead), i = 0; i < 3; i++) {
      dead.layer.sendFailed(sent.token);
      sent = dead.sent.at(-1)!;
    }
    expect(dead.sent.at(-1)!.text).toMatch(/^SIP\/2\.0 504 /);
    const other = startProxy();
    for (let sent = ask(other), i = 0; i < 3; i++) {
      other.receive(answerTo(sent.text, 503));
      sent = other.sent.at(-1)!;
    }
    expect(other.sent.at(-1)!.text).toMatch(/^SIP\/2\.0 500 /);
  });
});

describe('what becomes of a target', () => {
  it('C-17 is passed over for 30 s, then tried by one request whose outcome decides', () => {
    const rig = startProxy();
    rig.layer.sendFailed(ask(rig).token);
    rig.take();
    ask(rig);
    rig.time.advance(29_000);
    ask(rig);
    expect(went(rig)).not.toContain(first);
    rig.time.advance(1_500);
    rig.take();
    const probe = ask(rig);
    ask(rig);
    expect(went(rig)).toEqual([first, second]);
    rig.receive(answerTo(probe.text, 486, 'Busy Here'));
    rig.take();
    ask(rig);
    expect(went(rig)).toEqual([first]);
  });

  it('C-17 a probe that fails sets it aside again, and goes on with the next', () => {
    const rig = startProxy();
    rig.layer.sendFailed(ask(rig).token);
    rig.time.advance(30_500);
    rig.take();
    const probe = ask(rig);
    rig.layer.sendFailed(probe.token);
    expect(went(rig)).toEqual([first, second]);
    ask(rig);
    expect(went(rig)).toEqual([second]);
  });

  it.each([
    ['Retry-After: 90 (maintenance)', 89_000, 2_000],
    ['Retry-After: nonsense', 29_000, 2_000],
    ['Retry-After: 4000000000', 299_000, 2_000],
  ])('C-30 a 503 with "%s" sends the others for that time', (line, stillMs, thenMs) => {
    const rig = startProxy();
    rig.receive(answerTo(ask(rig).text, 503, 'Service Unavailable', [line]));
    rig.time.advance(stillMs);
    rig.take();
    ask(rig);
    expect(went(rig)).toEqual([second]);
    rig.time.advance(thenMs);
    rig.take();
    ask(rig);
    expect(went(rig)).toEqual([first]);
  });

  it('C-30 the only target left is always tried', () => {
    const rig = startProxy();
    for (let i = 0; i < 3; i++) {
      rig.take();
      const sent = ask(rig, 'MESSAGE', '10.0.0.40');
      expect(went(rig)).toEqual(['10.0.0.40:5060']);
      rig.receive(answerTo(sent.text, 503, 'Service Unavailable', ['Retry-After: 60']));
    }
  });

  it.each([
    ['Retry-After: 90 (maintenance);duration=60', '90 (maintenance);duration=60'],
    ['Retry-After: nonsense', null],
    ['Subject: busy', null],
  ])('C-08 C-30 a 503 with "%s" becomes 500, and how long to wait goes with it where it can be read', (line, value) => {
    const rig = startProxy();
    const sent = ask(rig, 'MESSAGE', '10.0.0.40');
    rig.take();
    rig.receive(answerTo(sent.text, 503, 'Service Unavailable', [line]));
    const answer = parsed(rig.sent[0]!.text) as SipResponse;
    expect([answer.status, answer.headers.get(Header['Retry-After'])]).toEqual([500, value]);
    expect(answer.headers.get(Header.Warning)).toContain('"next-hop-busy: ');
  });

  it('C-17 a phone that is out of coverage is no broken server: flows that were given are not judged', () => {
    const flows = [flowFrom('10.0.0.31', 5060), flowFrom('10.0.0.32', 5060)];
    const rig = startProxy({ handleRequest: (transaction) => transaction.forward({ targets: flows }) });
    rig.layer.sendFailed(ask(rig).token);
    expect(went(rig)).toEqual([first, second]);
    expect(rig.core.health.size).toBe(0);
    ask(rig);
    expect(went(rig)).toEqual([first]);
    const resolved = startProxy();
    resolved.layer.sendFailed(ask(resolved).token);
    expect(resolved.core.health.size).toBe(1);
  });

  it('C-17 an answer of any kind clears it, silence after a 100 does not accuse it', () => {
    const rig = startProxy();
    const sent = ask(rig);
    rig.receive(answerTo(sent.text, 100, 'Trying'));
    rig.time.advance(timerFMs);
    expect(rig.core.health.size).toBe(0);
    expect(rig.sent.at(-1)!.text).toMatch(/^SIP\/2\.0 504 /);
  });

  it('C-07 C-17 an ACK goes past what is set aside', () => {
    const rig = startProxy();
    rig.layer.sendFailed(ask(rig).token);
    rig.take();
    rig.receive(requestText('ACK', { To: '<sip:bob@ims.test>;tag=b', 'Call-ID': 'other' }, 'sip:trio.test'));
    expect(went(rig)).toEqual([second]);
  });
});
