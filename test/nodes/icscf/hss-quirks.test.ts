import { afterEach, describe, expect, it } from 'vitest';
import { find, open5gsExperimental, pyhssLia, pyhssRefusal, pyhssUaa } from '../../diameter/cx/foreign-octets.ts';
import type { SentMessage } from '../worker-harness.ts';
import { invite, Network, pcscf, register, scscf } from './icscf-network.ts';

let network: Network;
afterEach(() => {
  expect(network.harness.failures).toEqual([]);
  network.harness.stop();
});

const pool = (n: number) => (request: Buffer) => pyhssUaa(request, `127.0.1.${n}:6060`, 2001);

async function send(text: string, answer: (request: Buffer) => Buffer): Promise<[Buffer, SentMessage[]]> {
  network.harness.receive(text, pcscf);
  const question = await network.answerOctets(answer);
  return [question, network.harness.take()];
}

describe('PyHSS', () => {
  it('E.6 PyHSS (1) D-15 goes to the server of its pool, and to the same one with the answer to the challenge', async () => {
    network = new Network();
    const [, [first]] = await send(register(), pool(7));
    expect([first!.requestUri, first!.to]).toEqual(['sip:127.0.1.7:6060', 'udp 127.0.1.7:6060']);
    network.harness.answer(first!, 401);
    network.harness.take();
    const [, [second]] = await send(register([], 2), pool(8));
    expect(second!.to).toBe('udp 127.0.1.7:6060');
  });

  it('E.6 PyHSS (2) D-15 a de-registration goes on to its server though the UAR has cleared the record', async () => {
    network = new Network();
    const leaving = (cseq: number) => register([], cseq).replace('expires=3600', 'expires=0');
    const [question, [first]] = await send(leaving(1), (request) => pyhssUaa(request, '127.0.1.7:6060', 'success'));
    expect(find(question, 623)).toBe('\0\0\0\u0001');
    expect(first!.to).toBe('udp 127.0.1.7:6060');
    network.harness.answer(first!, 401);
    network.harness.take();
    const [, [second]] = await send(leaving(2), pool(9));
    expect(second!.to).toBe('udp 127.0.1.7:6060');
  });

  it('E.6 PyHSS (4) D-18 hears only identities that begin with sip: or tel:', async () => {
    network = new Network();
    const [question] = await send(register().replace('To: <sip:', 'To: <sips:'), pool(7));
    expect(find(question, 601)).toBe('sip:Alice@ims.test');
    const called = ['sips:bob@ims.test', 'sip:+1-555@ims.test;user=phone', 'tel:+1.555'];
    for (const [i, uri] of called.entries()) {
      const [asked] = await send(
        invite(uri, [], 'MESSAGE').replace('call-1', `call-${i}`).replace('z9hG4bKi1', `z9hG4bKq${i}`),
        (request) => pyhssLia(request, scscf),
      );
      expect(find(asked, 601)).toMatch(/^(sip:bob@ims\.test|tel:\+1555)$/);
    }
  });

  it('E.6 PyHSS (5) D-15 I-22 sends the call of an unregistered user on to the S-CSCF, which knows better', async () => {
    network = new Network();
    const [, sent] = await send(invite('sip:bob@ims.test'), (request) => pyhssLia(request, scscf));
    expect(sent.map(({ startLine }) => startLine).at(-1)).toBe('INVITE sip:bob@ims.test SIP/2.0');
    expect(sent.at(-1)!.header('Route')).toBe(`<${scscf};lr>`);
  });

  it('E.6 PyHSS (6) D-11 an unknown user is refused though the answer came under the application of Sh', async () => {
    network = new Network();
    const [, [refusal]] = await send(register(), (request) => pyhssRefusal(request, 5001));
    expect([refusal!.status, refusal!.header('Warning')]).toEqual([
      403,
      expect.stringContaining('UAA 5001 USER_UNKNOWN from hss01'),
    ]);
    expect(network.harness.refusals).toEqual(['user-unknown']);
  });
});

describe('Open5GS HSS', () => {
  it('E.6 Open5GS D-15 a missing AVP is not said to be roaming, nor an invalid one a registration elsewhere', async () => {
    network = new Network({}, { dialect: 'open5gs' });
    const [, [refusal]] = await send(register(), (request) => open5gsExperimental(request, 5004));
    expect([refusal!.status, refusal!.header('Warning')]).toEqual([
      500,
      expect.stringContaining('UAA 5005 MISSING_AVP from hss.open5gs.org'),
    ]);
    expect(network.harness.refusals).toEqual(['hss-error']);
  });

  it('E.6 Open5GS D-15 I-22 an unknown callee is 2004 without a name: 480', async () => {
    network = new Network();
    const [, [refusal]] = await send(invite('sip:bob@ims.test', [], 'MESSAGE'), (request) =>
      open5gsExperimental(request, 2004),
    );
    expect(refusal!.status).toBe(480);
    expect(network.harness.refusals).toEqual(['no-server-stored']);
  });

  it('E.6 Open5GS D-14 gets a visited network and a private identity in every UAR', async () => {
    network = new Network();
    const bare = register()
      .replace(/P-Visited.*\r\n/, '')
      .replace(/Authorization.*\r\n/, '');
    const [question] = await send(bare, (request) => open5gsExperimental(request, 2001));
    expect([find(question, 1), find(question, 600)]).toEqual(['Alice@ims.test', 'ims.test']);
  });
});
