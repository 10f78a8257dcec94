import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import {
  answerTo,
  firstWaits,
  forkTo,
  type ProxyRig,
  parsed,
  requestText,
  startProxy,
  ua,
  viaOf,
} from '../proxy-rig.ts';

const cancel = requestText('CANCEL', { CSeq: '1 CANCEL' });

function startFork(): ProxyRig {
  const rig = startProxy({ handleRequest: (transaction) => forkTo(transaction, [['sip:10.0.0.2', 'sip:10.0.0.3']]) });
  rig.receive(requestText('INVITE'));
  return rig;
}

/** What happens to branch A and B: a status comes, the caller cancels, or time passes (milliseconds). */
type Step = 'cancel' | number | { readonly a: number } | { readonly b: number };

/** Runs the steps and gives what went upstream besides 100, and where CANCELs went. */
function run(steps: readonly Step[]): { upstream: number[]; canceled: string[] } {
  const rig = startFork();
  const [a, b] = rig.sent.map(({ text }) => text);
  rig.take();
  for (const step of steps) {
    if (step === 'cancel') rig.receive(cancel);
    else if (typeof step === 'number') rig.time.advance(step);
    else if ('a' in step) rig.receive(answerTo(a!, step.a));
    else rig.receive(answerTo(b!, step.b));
  }
  const out = rig.take();
  return {
    upstream: [...new Set(out.filter((line) => line.endsWith(ua)).map((line) => Number(line.slice(8, 11))))].filter(
      (status) => status !== 100,
    ),
    canceled: [...new Set(out.filter((line) => line.startsWith('CANCEL')).map((line) => line.split(' > ')[1]!))],
  };
}

const toA = '10.0.0.2:5060';
const toB = '10.0.0.3:5060';

describe('races of CANCEL with a fork', () => {
  const races: [name: string, steps: Step[], upstream: number[], canceled: string[]][] = [
    [
      'both ring, both answer 487',
      [{ a: 180 }, { b: 180 }, 'cancel', { a: 487 }, { b: 487 }],
      [180, 200, 487],
      [toA, toB],
    ],
    ['one rings, the other is silent', [{ a: 180 }, 'cancel'], [180, 200], [toA]],
    ['the silent one rings later', [{ a: 180 }, 'cancel', { b: 180 }], [180, 200], [toA, toB]],
    ['the silent one says 100 later', ['cancel', { b: 100 }], [200], [toB]],
    ['a 2xx crosses the CANCEL', [{ a: 180 }, 'cancel', { a: 200 }, { b: 486 }], [180, 200], [toA]],
    ['one has failed before', [{ a: 486 }, { b: 180 }, 'cancel', { b: 487 }], [180, 200, 486], [toB]],
    ['one is busy after it', [{ a: 180 }, { b: 180 }, 'cancel', { a: 486 }, { b: 487 }], [180, 200, 486], [toA, toB]],
    ['a 6xx after it', [{ a: 180 }, { b: 180 }, 'cancel', { a: 603 }, { b: 487 }], [180, 200, 603], [toA, toB]],
    ['both stay silent after ringing', [{ a: 180 }, { b: 180 }, 'cancel', 34_000], [180, 200, 487], [toA, toB]],
    ['both never say anything', ['cancel', 34_000], [200, 487], []],
    ['twice', [{ a: 180 }, { b: 180 }, 'cancel', 'cancel', { a: 487 }, { b: 487 }], [180, 200, 487], [toA, toB]],
    ['after the answer', [{ a: 200 }, 'cancel'], [200], []],
  ];
  it.each(races)('C-06 %s', (_name, steps, upstream, canceled) => {
    const result = run(steps);
    expect(result.upstream.sort()).toEqual(upstream);
    expect(result.canceled).toEqual(canceled);
  });
});

describe('CANCEL', () => {
  it('C-06 a branch that dies after it counts as 487, whatever it died of', () => {
    for (const rings of [true, false]) {
      const rig = startProxy();
      rig.receive(requestText('INVITE'));
      const { text, token } = rig.sent[0]!;
      if (rings) rig.receive(answerTo(text, 180));
      rig.receive(cancel);
      rig.take();
      if (rings) rig.time.advance(34_000);
      else rig.layer.sendFailed(token);
      expect(rig.take().filter((line) => line.endsWith(ua))[0]).toBe(`SIP/2.0 487 Request Terminated > ${ua}`);
    }
  });

  it('C-06 every Reason goes on to every branch', () => {
    const rig = startFork();
    for (const { text } of rig.sent.splice(0)) rig.receive(answerTo(text, 180));
    rig.take();
    rig.receive(cancel.replace('To:', 'Reason: SIP;cause=487\r\nReason: Q.850;cause=16\r\nTo:'));
    const sent = rig.sent.filter(({ text }) => text.startsWith('CANCEL')).map(({ text }) => parsed(text));
    expect(sent.map(({ headers }) => headers.values(Header.Reason))).toEqual(
      Array(2).fill(['SIP;cause=487', 'Q.850;cause=16']),
    );
  });

  it('C-06 C-35 an INVITE that still waits for its turn is answered 487 at once and never sent', async () => {
    const { handled, go, handleRequest } = firstWaits((transaction) => transaction.forward());
    const rig = startProxy({ handleRequest });
    rig.receive(requestText('MESSAGE', viaOf('m')));
    rig.receive(requestText('INVITE', { CSeq: '2 INVITE' }));
    rig.receive(requestText('CANCEL', { CSeq: '2 CANCEL' }));
    expect(rig.take()).toEqual([`SIP/2.0 200 OK > ${ua}`, `SIP/2.0 487 Request Terminated > ${ua}`]);
    go();
    await new Promise(setImmediate);
    expect(handled).toEqual(['1 MESSAGE']);
    expect(rig.take()).toEqual(['MESSAGE sip:bob@10.0.0.2 SIP/2.0 > 10.0.0.2:5060']);
  });

  it('C-06 while the next hop is being resolved the branch ends with 487 and is not sent', async () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE', {}, 'sip:slow.test'));
    rig.receive(cancel);
    expect(rig.take()).toEqual([`SIP/2.0 200 OK > ${ua}`, `SIP/2.0 487 Request Terminated > ${ua}`]);
    await new Promise(setImmediate);
    expect(rig.take()).toEqual([]);
  });
});
