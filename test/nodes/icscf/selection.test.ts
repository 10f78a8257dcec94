import { afterEach, describe, expect, it } from 'vitest';
import type { DiameterMessage } from '#diameter/codec/message';
import { liaFlags } from '#diameter/cx/cx-results';
import { readLocationInfo, readUserAuthorization } from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { baseResult, experimentalResult } from '#diameter/result';
import type { IcscfConfig } from '#service/config/icscf-config';
import type { SentMessage } from '../worker-harness.ts';
import { type AnswerDetails, capabilities, invite, Network, pcscf, register } from './icscf-network.ts';

const exp = experimentalResult;
const candidate = (n: number, able: number[] = [], priority = 1) => ({
  uri: `sip:127.0.1.${n}:6060`,
  capabilities: able,
  priority,
  weight: 1,
});
const to = (n: number) => `udp 127.0.1.${n}:6060`;
const anyServer = capabilities();

let network: Network;
afterEach(() => {
  expect(network.harness.failures).toEqual([]);
  network.harness.stop();
});

const start = (changes: Partial<IcscfConfig> = {}) => {
  network = new Network(changes);
};

/** A request of its own: another Call-ID and branch each time. */
let count = 0;
const fresh = (text: string): string => {
  count++;
  return text
    .replaceAll('reg-1', `reg-${count}`)
    .replaceAll('call-1', `call-${count}`)
    .replace(/z9hG4bK\w+/, `z9hG4bKs${count}`);
};

/** From the P-CSCF, a call of its own each. */
const sendRegister = () => network.harness.receive(fresh(register()), pcscf);
const sendRequest = (uri = 'sip:bob@ims.test', more: string[] = [], method = 'MESSAGE') =>
  network.harness.receive(fresh(invite(uri, more, method)), pcscf);

/** Sends a REGISTER, to which the HSS says this; gives what the I-CSCF makes of it. */
async function registerWith(answer: AnswerDetails): Promise<SentMessage> {
  sendRegister();
  await network.uaa(exp(2001), answer);
  return network.harness.takeOne();
}

/** Sends a REGISTER, to which the S-CSCF says this. */
async function registerAndAnswer(status: number): Promise<void> {
  network.harness.answer(await registerWith({}), status);
  network.harness.take();
}

describe('the choice of an S-CSCF', () => {
  const scscfs = [candidate(1, [1, 2], 2), candidate(2, [1, 2, 3], 3), candidate(3, [2, 3], 1)];

  it('I-13 follows the names inside Server-Capabilities in their order, whatever is configured', async () => {
    start({ scscfs });
    const named = { capabilities: capabilities([9], [], ['127.0.1.8:6060', 'sip:127.0.1.9:6060']) };
    const first = await registerWith(named);
    expect(first.to).toBe(to(8));
    network.harness.answer(first, 480);
    await network.uaa(exp(2001), named);
    expect(network.harness.takeOne().to).toBe(to(9));
  });

  it('I-13 wants every mandatory capability, then most optional ones, then the lowest priority', async () => {
    start({ scscfs });
    const choose = async (mandatory: number[], optional: number[]) =>
      (await registerWith({ capabilities: capabilities(mandatory, optional) })).to;
    expect(await choose([1, 3], [])).toBe(to(2));
    expect(await choose([1], [])).toBe(to(1));
    expect(await choose([2], [1, 3])).toBe(to(2));
    expect(await choose([], [])).toBe(to(3));
  });

  it('I-13 an empty Server-Capabilities, or none, means any of the list', async () => {
    start({ scscfs: [candidate(4)] });
    expect((await registerWith({ capabilities: anyServer })).to).toBe(to(4));
    expect((await registerWith({})).to).toBe(to(4));
  });

  it('I-13 shares among equals by their weights', async () => {
    start({ scscfs: [{ ...candidate(1), weight: 9 }, candidate(2)] });
    let heavy = 0;
    for (let i = 0; i < 200; i++) if ((await registerWith({})).to === to(1)) heavy++;
    expect(heavy).toBeGreaterThan(150);
    expect(heavy).toBeLessThan(200);
  });

  it.each([
    [[], anyServer, 'scscfs is empty'],
    [scscfs, capabilities([1, 7]), 'no S-CSCF has mandatory capability 7'],
    [[candidate(1, [1]), candidate(2, [2])], capabilities([1, 2]), 'no S-CSCF has all mandatory capabilities 1, 2'],
  ])('I-13 says in the 600 what is missing', async (list, wanted, words) => {
    start({ scscfs: list });
    const sent = await registerWith({ capabilities: wanted });
    expect(sent.startLine).toBe('SIP/2.0 600 Busy Everywhere');
    expect(sent.header('Warning')).toContain('no-scscf:');
    expect(sent.header('Warning')).toContain(words);
  });

  it('I-13 passes over who did not answer of late, while another one fits', async () => {
    start({ scscfs: [candidate(1, [1], 1), candidate(2, [], 2)] });
    const first = await registerWith({});
    expect(first.to).toBe(to(1));
    network.harness.failSend(first);
    await network.uaa(exp(2001));
    expect(network.harness.takeOne().to).toBe(to(2));
    expect((await registerWith({})).to).toBe(to(2));
    // The only one that has what is needed is tried all the same.
    expect((await registerWith({ capabilities: capabilities([1]) })).to).toBe(to(1));
    network.harness.advance(30_100);
    network.harness.take();
    network.harness.diameterSent.length = 0;
    expect((await registerWith({})).to).toBe(to(1));
  });

  it('I-13 one that answers again is back at once, and one that only will not have a user was never gone', async () => {
    start({ scscfs: [candidate(1, [1], 1), candidate(2, [], 2)] });
    network.harness.failSend(await registerWith({}));
    await network.uaa(exp(2001));
    network.harness.take();
    network.harness.answer(await registerWith({ capabilities: capabilities([1]) }), 401);
    network.harness.take();
    const back = await registerWith({});
    expect(back.to).toBe(to(1));
    network.harness.answer(back, 480);
    await network.uaa(exp(2001));
    network.harness.take();
    expect((await registerWith({})).to).toBe(to(1));
  });
});

describe('an S-CSCF that will not do', () => {
  const scscfs = [1, 2, 3, 4].map((n) => candidate(n, [], n));

  it.each([300, 302, 305, 399, 408, 480, 503])('I-15 I-16 asks for another one after %i', async (status) => {
    start({ scscfs });
    network.harness.answer(await registerWith({}), status);
    const question = await network.uaa(exp(2001), { capabilities: anyServer });
    expect(readUserAuthorization(question)).toMatchObject({
      type: 2,
      impi: 'alice@ims.test',
      impu: 'sip:Alice@ims.test',
    });
    expect(network.harness.takeOne().to).toBe(to(2));
  });

  it.each([400, 401, 403, 404, 420, 423, 486, 494, 500, 504, 600, 603])(
    'I-15 sends %i back as it is, and asks nobody',
    async (status) => {
      start({ scscfs });
      network.harness.answer(await registerWith({}), status, ['X-Word: kept']);
      const sent = network.harness.takeOne();
      expect([sent.status, sent.header('X-Word')]).toEqual([status, 'kept']);
      expect(network.harness.diameterSent).toEqual([]);
    },
  );

  it('I-15 a 100 is a sign of life: nobody else is asked after ten seconds', async () => {
    start({ scscfs });
    network.harness.answer(await registerWith({}), 100);
    network.harness.advance(15_000);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-15 I-16 gives up after three with 504, also where the last says 503', async () => {
    start({ scscfs });
    let sent = await registerWith({});
    const tried: string[] = [];
    for (let i = 0; i < 3; i++) {
      tried.push(sent.to);
      network.harness.answer(sent, 503, ['Retry-After: 9']);
      if (i < 2) await network.uaa(exp(2001), { capabilities: anyServer });
      else await network.harness.settle();
      sent = network.harness.takeOne();
    }
    expect(tried).toEqual([to(1), to(2), to(3)]);
    expect([sent.status, sent.header('Warning')]).toEqual([504, expect.stringContaining('no-scscf-answers')]);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-15 gives up with 504 where the HSS has no other one to offer', async () => {
    start({ scscfs });
    network.harness.answer(await registerWith({}), 480);
    await network.uaa(exp(5001));
    expect(network.harness.takeOne().status).toBe(504);
  });

  it('I-16 a 503 to a request is not passed on', async () => {
    start({ scscfs });
    sendRequest();
    await network.found();
    network.harness.answer(network.harness.takeOne(), 503, ['Retry-After: 9']);
    expect(network.harness.takeOne().status).toBe(500);
  });
});

describe('an S-CSCF that does not answer a request', () => {
  const scscfs = [candidate(1), candidate(2)];
  const send = async (method = 'MESSAGE', more: string[] = [], answer: AnswerDetails = {}) => {
    sendRequest('sip:bob@ims.test', more, method);
    await network.found(answer);
    return network.harness.take().at(-1)!;
  };

  it('I-25 is given up after ten seconds without any response', async () => {
    start({ scscfs });
    await send('INVITE');
    network.harness.advance(10_100);
    const question = await network.uaa(exp(2003), { capabilities: anyServer });
    expect(readLocationInfo(question)).toMatchObject({ type: 2, impu: 'sip:bob@ims.test', originating: false });
    expect(network.harness.take().at(-1)!.to).toMatch(/^udp 127\.0\.1\.[12]:6060$/);
  });

  it('I-25 is asked for again as the originating one where it was', async () => {
    start({ scscfs });
    network.harness.failSend(await send('MESSAGE', ['Route: <sip:127.0.0.1:4060;lr;orig>']));
    expect(readLocationInfo(await network.uaa(exp(2003)))).toMatchObject({ type: 2, originating: true });
    expect(network.harness.takeOne().header('Route')).toContain(';lr;orig>');
  });

  it('I-25 keeps an INVITE that rings where it is', async () => {
    start({ scscfs });
    const first = await send('INVITE');
    network.harness.answer(first, 180);
    network.harness.take();
    network.harness.advance(200_000);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-25 X-R2 is waited for as long as a restart takes where there is to be no restoration, then 504', async () => {
    start({ scscfs, selection: { tries: 3, responseTimeout: 10, restoration: false } });
    expect((await network.refuseAll(await send())).status).toBe(504);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-25 X-R2 is waited for where there is no other one', async () => {
    start({ scscfs: [candidate(1)] });
    network.harness.failSend(await send('MESSAGE', [], { serverName: candidate(1).uri }));
    await network.uaa(exp(2003), { capabilities: anyServer });
    const again = network.harness.takeOne();
    expect([again.to, again.all('Route').length]).toEqual(['udp 127.0.1.1:6060', 1]);
    network.harness.failSend(again);
    network.harness.advance(600);
    network.harness.answer(network.harness.takeOne(), 200);
    expect(network.harness.takeOne().status).toBe(200);
  });

  it('I-25 is 504 where the HSS will not give another one', async () => {
    start({ scscfs });
    network.harness.failSend(await send());
    await network.uaa(exp(5001));
    expect(network.harness.takeOne().status).toBe(504);
  });

  it('I-24 an application server that serves a service identity directly has nobody to stand for it', async () => {
    start({ scscfs });
    const direct = { serverName: 'sip:127.0.0.9:7060', liaFlags: liaFlags.PSI_DIRECT_ROUTING };
    expect((await network.refuseAll(await send('MESSAGE', [], direct))).status).toBe(504);
    expect(network.harness.refusals).toEqual(['next-hop-unreachable']);
    expect(network.harness.diameterSent).toEqual([]);
  });
});

describe('where users were found', () => {
  it('I-27 is not remembered by default', async () => {
    start();
    for (let i = 0; i < 2; i++) {
      sendRequest();
      await network.found();
    }
    expect(network.harness.take()).toHaveLength(2);
  });

  it('I-27 is remembered for as long as the configuration says', async () => {
    start({ locationCache: 5 });
    sendRequest();
    await network.found();
    sendRequest();
    await network.harness.settle();
    expect(network.harness.take().map(({ to: target }) => target)).toEqual([
      'udp 127.0.0.1:6060',
      'udp 127.0.0.1:6060',
    ]);
    network.harness.advance(5_001);
    sendRequest();
    expect(readLocationInfo(await network.found()).impu).toBe('sip:bob@ims.test');
  });

  it('I-27 only where they were found, and not for the other side of a call', async () => {
    start({ locationCache: 5 });
    sendRequest();
    await network.uaa(exp(5003));
    sendRequest();
    await network.found();
    sendRequest('sip:carol@ims.test', ['Route: <sip:127.0.0.1:4060;lr;orig>', 'P-Served-User: <sip:bob@ims.test>']);
    expect(readLocationInfo(await network.found())).toMatchObject({ impu: 'sip:bob@ims.test', originating: true });
  });

  it('I-27 is forgotten when the S-CSCF does not answer', async () => {
    start({ locationCache: 5 });
    sendRequest();
    await network.found();
    network.harness.failSend(network.harness.takeOne());
    await network.uaa(exp(5003));
    network.harness.take();
    sendRequest();
    await network.found();
  });

  it('I-27 is forgotten when the user registers', async () => {
    start({ locationCache: 5 });
    sendRequest('sip:Alice@ims.test');
    await network.found();
    network.harness.take();
    await registerAndAnswer(200);
    sendRequest('sip:Alice@ims.test');
    await network.found();
  });

  describe('while no HSS answers', () => {
    const unanswered = async () => {
      await network.harness.settle();
      await network.unanswered();
    };
    const sent = () => network.harness.take().map(({ status, to: target }) => status || target);

    it('X-R4 I-27 counts where they were, for an hour, and the HSS is not asked every time', async () => {
      start({ locationCache: 5 });
      sendRequest();
      await network.found();
      network.harness.answer(network.harness.takeOne(), 200);
      network.harness.advance(60_000);
      network.harness.take();
      sendRequest();
      await unanswered();
      sendRequest();
      await network.harness.settle();
      const forwarded = network.harness.take();
      expect(forwarded.map(({ to }) => to)).toEqual(['udp 127.0.0.1:6060', 'udp 127.0.0.1:6060']);
      expect(network.harness.diameterSent).toEqual([]);
      for (const message of forwarded) network.harness.answer(message, 200);
      network.harness.advance(3_600_000);
      network.harness.take();
      sendRequest();
      await unanswered();
      expect(sent()).toEqual([504]);
    });

    it('X-R4 I-27 not who was not found', async () => {
      start({ locationCache: 5 });
      sendRequest();
      await network.uaa(exp(5003));
      network.harness.take();
      sendRequest();
      await unanswered();
      expect(sent()).toEqual([504]);
    });

    it('X-R4 counts without a cache as well, and the HSS that was silent is left alone for 2 s', async () => {
      start();
      sendRequest();
      await network.found();
      network.harness.take();
      sendRequest();
      await unanswered();
      sendRequest();
      await network.harness.settle();
      expect([sent(), network.harness.diameterSent]).toEqual([['udp 127.0.0.1:6060', 'udp 127.0.0.1:6060'], []]);
      network.harness.advance(2_100);
      sendRequest();
      await network.found();
    });

    it('X-R4 a REGISTER goes to the S-CSCF that has accepted the last one, within the hour', async () => {
      start();
      await registerAndAnswer(200);
      const again = async () => {
        sendRegister();
        await unanswered();
        return network.harness.takeOne();
      };
      const refresh = await again();
      expect(refresh.to).toBe('udp 127.0.0.1:6060');
      network.harness.answer(refresh, 401);
      network.harness.take();
      const proven = await again();
      expect(proven.to).toBe('udp 127.0.0.1:6060');
      network.harness.answer(proven, 200);
      network.harness.advance(3_601_000);
      network.harness.take();
      expect((await again()).status).toBe(504);
    });

    it('X-R4 a REGISTER of who has left waits for the HSS, that of one in whose name another was refused does not', async () => {
      start();
      for (const status of [200, 403]) await registerAndAnswer(status);
      sendRegister();
      await unanswered();
      const refresh = network.harness.takeOne();
      expect(refresh.to).toBe('udp 127.0.0.1:6060');
      network.harness.answer(refresh, 200);
      network.harness.take();
      network.harness.receive(fresh(register()).replace(/(Contact: <[^>]+>)[^\r]*/, '$1;expires=0'), pcscf);
      await network.uaa(exp(2001));
      network.harness.answer(network.harness.takeOne(), 200);
      network.harness.take();
      sendRegister();
      await unanswered();
      expect(network.harness.takeOne().status).toBe(504);
    });

    it('X-R4 I-27 who has registered since is asked for, and found where he was', async () => {
      start({ locationCache: 5 });
      sendRequest('sip:Alice@ims.test');
      await network.found();
      network.harness.take();
      await registerAndAnswer(200);
      sendRequest('sip:Alice@ims.test');
      await unanswered();
      expect(sent()).toEqual(['udp 127.0.0.1:6060']);
    });
  });
});

describe('the I-CSCF itself', () => {
  it('I-28 answers OPTIONS with what it can do', () => {
    start();
    sendRequest('sip:127.0.0.1:4060', [], 'OPTIONS');
    const sent = network.harness.takeOne();
    expect(sent.status).toBe(200);
    for (const name of ['Allow', 'Accept', 'Supported']) expect(sent.header(name), name).not.toBe(null);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-28 refuses what has no hop left with 483, and what has been here too often with 482', () => {
    start();
    network.harness.receive(
      fresh(invite('sip:bob@ims.test', [], 'MESSAGE')).replace('Forwards: 68', 'Forwards: 0'),
      pcscf,
    );
    expect(network.harness.takeOne().status).toBe(483);
    const vias = Array.from({ length: 9 }, (_, i) => `Via: SIP/2.0/UDP 127.0.0.1:4060;branch=z9hG4bKloop${i}`);
    sendRequest('sip:bob@ims.test', vias);
    expect(network.harness.takeOne().status).toBe(482);
    expect(network.harness.diameterSent).toEqual([]);
    expect(network.harness.refusals).toEqual(['too-many-hops', 'loop']);
  });

  it('I-28 takes nothing new while it shuts down, and says when to come again', () => {
    start();
    network.harness.side.core.drain();
    sendRequest('sip:bob@ims.test', [], 'INVITE');
    const sent = network.harness.takeOne();
    expect([sent.status, Number(sent.header('Retry-After')) > 0]).toEqual([503, true]);
  });
});

describe('several HSSs', () => {
  const realms = [{ realm: 'ims.test', application: 'cx', peers: [{ host: 'SLF.ims.test', priority: 1, weight: 1 }] }];
  const diameter = { cx: { realm: 'ims.test' }, realms } as unknown as IcscfConfig['diameter'];
  const hostOf = (question: DiameterMessage) => question.avps.text(baseAvps.destinationHost);

  it('I-29 names the HSS that a redirect agent or relay has led to, for 60 seconds', async () => {
    start({ diameter });
    sendRegister();
    expect(hostOf(await network.uaa(exp(2001)))).toBe(undefined);
    sendRegister();
    expect(hostOf(await network.uaa(exp(2001)))).toBe('hss.ims.test');
    sendRequest('sip:Alice@ims.test');
    expect(hostOf(await network.found())).toBe('hss.ims.test');
    sendRequest();
    expect(hostOf(await network.found())).toBe(undefined);
    network.harness.advance(60_001);
    network.harness.diameterSent.length = 0;
    sendRegister();
    expect(hostOf(network.question())).toBe(undefined);
  });

  it('I-29 forgets one that does not answer any more', async () => {
    start({ diameter });
    sendRegister();
    await network.uaa(exp(2001));
    sendRegister();
    await network.unanswered();
    sendRegister();
    expect(hostOf(network.question())).toBe(undefined);
  });

  it('I-29 names none where the realm table leads to the HSS itself', async () => {
    start();
    sendRegister();
    await network.uaa(exp(2001));
    sendRegister();
    expect(hostOf(network.question())).toBe(undefined);
  });

  it('I-29 a redirect answer that nobody could follow is an error of the HSS: 500', async () => {
    start({ diameter });
    sendRegister();
    await network.uaa(baseResult(3006));
    expect(network.harness.takeOne().status).toBe(500);
    sendRegister();
    expect(hostOf(network.question())).toBe(undefined);
  });
});
