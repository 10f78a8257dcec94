import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AnswerContent } from '#diameter/answer';
import {
  locationInfoAnswer,
  multimediaAuthAnswer,
  serverAssignmentAnswer,
  userAuthorizationAnswer,
} from '#diameter/cx/cx-server';
import { baseResult, experimentalResult } from '#diameter/result';
import { HomeNetwork, type HomePhone } from './home-network.ts';
import type { CxName, Meddling } from './home-network-relay.ts';
import { sleep, until } from './resilient-lab.ts';

const answers: Readonly<Record<CxName, (result: AnswerContent['result']) => AnswerContent>> = {
  UAR: (result) => userAuthorizationAnswer({ result }),
  MAR: (result) => multimediaAuthAnswer({ result, impi: 'ben@ims.test', impu: 'sip:ben@ims.test' }),
  SAR: (result) => serverAssignmentAnswer({ result, impi: 'ben@ims.test' }),
  LIR: (result) => locationInfoAnswer({ result }),
};

/** What the HSS says, and what a phone hears of it: of its REGISTER, but for LIR of its call. */
const said: readonly (readonly [CxName, AnswerContent['result'], number])[] = [
  ['UAR', experimentalResult(5001), 403],
  ['UAR', experimentalResult(5002), 403],
  ['UAR', experimentalResult(5003), 403],
  ['UAR', experimentalResult(5004), 403],
  ['UAR', baseResult(5003), 403],
  ['UAR', baseResult(3004), 500],
  ['UAR', baseResult(3002), 500],
  ['UAR', baseResult(5012), 500],
  ['MAR', experimentalResult(5001), 403],
  ['MAR', experimentalResult(5002), 403],
  ['MAR', experimentalResult(5006), 403],
  ['MAR', baseResult(3004), 500],
  ['MAR', baseResult(5012), 500],
  ['MAR', baseResult(2001), 500],
  ['SAR', experimentalResult(5001), 403],
  ['SAR', experimentalResult(5002), 403],
  ['SAR', experimentalResult(5005), 500],
  ['SAR', experimentalResult(5007), 500],
  ['SAR', experimentalResult(5008), 500],
  ['SAR', baseResult(3004), 500],
  ['SAR', baseResult(5012), 500],
  ['SAR', baseResult(2001), 500],
  ['LIR', experimentalResult(5001), 604],
  ['LIR', experimentalResult(5003), 480],
  ['LIR', experimentalResult(2004), 480],
  ['LIR', baseResult(3004), 500],
  ['LIR', baseResult(5012), 500],
];

const wordsOf = ({ kind, code }: AnswerContent['result']) => `${kind} ${code}`;

/** An AVP that nobody knows, with the M bit, at the end of an answer. */
function withUnknownAvp(answer: Buffer): Buffer {
  const unknown = Buffer.from([0x00, 0x0f, 0x42, 0x3f, 0x40, 0x00, 0x00, 0x0c, 1, 2, 3, 4]);
  const longer = Buffer.concat([answer, unknown]);
  longer.writeUIntBE(longer.length, 1, 3);
  return longer;
}

/** The answer without its Result-Code and Experimental-Result. */
function withoutResult(answer: Buffer): Buffer {
  const kept: Buffer[] = [answer.subarray(0, 20)];
  for (let at = 20; at < answer.length; ) {
    const length = answer.readUIntBE(at + 5, 3);
    const end = at + Math.ceil(length / 4) * 4;
    const code = answer.readUInt32BE(at);
    if (code !== 268 && code !== 297) kept.push(answer.subarray(at, end));
    at = end;
  }
  const shorter = Buffer.concat(kept);
  shorter.writeUIntBE(shorter.length, 1, 3);
  return shorter;
}

describe('a home network whose HSS says no', () => {
  let net: HomeNetwork;
  let anna: HomePhone;
  let ben: HomePhone;
  let icscf = '';
  beforeAll(async () => {
    net = await HomeNetwork.start({
      relay: true,
      users: (_at, _mortal, dead) => [
        { name: 'anna' },
        { name: 'ben' },
        { name: 'picky', more: { capabilities: { mandatory: [9], optional: [], servers: [] } } },
        { name: 'plain', more: { capabilities: { mandatory: [1], optional: [7], servers: [] } } },
        { name: 'lost', more: { capabilities: { mandatory: [9], optional: [], servers: [`sip:${dead}`] } } },
        { name: 'found', more: { capabilities: { mandatory: [], optional: [], servers: [`sip:${dead}`] } } },
      ],
      change({ icscf: own }, config) {
        own.scscfs = [{ uri: `sip:${config.address}:${config.ports.scscf}`, capabilities: [1, 2], priority: 1 }];
        icscf = `${config.address}:${config.ports.icscf}`;
      },
    });
    anna = await net.registered('anna');
    ben = await net.phone('ben');
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });
  beforeEach(() => net.relay!.clear());

  /** The status that a REGISTER of ben's, or for LIR a call of anna's, gets. */
  async function statusOf(name: CxName, meddling: Meddling, times = 1): Promise<number> {
    net.relay!.next(name, meddling, name === 'SAR' ? { type: 1, times } : { times });
    const outcome = name === 'LIR' ? await net.callStatus(anna, ben.ue.impu) : await ben.ue.register();
    expect(net.relay!.isDone).toBe(true);
    return 'status' in outcome ? outcome.status : 200;
  }

  /** Leaves ben registered, as a sign that nothing is left of it. */
  async function worksAgain(): Promise<void> {
    await ben.register();
    expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(200);
    await ben.ue.deregister();
  }

  it.each(said.map(([name, result, status]) => ({ name, result, status, words: wordsOf(result) })))(
    'I-12 I-22 S-07 S-22 $name answered $words is $status',
    async ({ name, result, status }) => {
      expect(await statusOf(name, answers[name](result))).toBe(status);
      // What the S-CSCF has to take back at the HSS is on its way.
      await sleep(20);
      await worksAgain();
    },
  );

  it.each(['UAR', 'MAR', 'SAR', 'LIR'] as const)(
    'I-12 S-07 S-22 D-13 X-D6 %s that is not answered is 504 in time, and an answer that comes too late does no harm',
    async (name) => {
      const startMs = performance.now();
      expect(await statusOf(name, 'silence')).toBe(504);
      const ms = performance.now() - startMs;
      expect(ms).toBeGreaterThan(1_900);
      expect(ms).toBeLessThan(4_000);
      expect(await statusOf(name, { late: 2_300 })).toBe(504);
      await sleep(400);
      await worksAgain();
    },
    20_000,
  );

  it.each(['UAR', 'MAR', 'SAR', 'LIR'] as const)(
    'I-12 S-07 S-22 D-15 %s answered without any result is 500, with an AVP that nobody knows it is taken as it is',
    async (name) => {
      expect(await statusOf(name, { octets: withoutResult })).toBe(500);
      await sleep(20);
      expect(await statusOf(name, { octets: withUnknownAvp })).toBe(name === 'LIR' ? 480 : 200);
      if (name !== 'LIR') await ben.ue.deregister();
      await worksAgain();
    },
    20_000,
  );

  it('I-13 S-CSCFs are chosen by capabilities: 600 where none has what is needed, else the one that has', async () => {
    expect(await (await net.phone('picky')).ue.register()).toMatchObject({
      status: 600,
      words: expect.stringContaining('9'),
    });
    await (await net.registered('plain')).ue.deregister();
  });

  it('I-13 I-15 a dead S-CSCF is passed over for the next one, without one it is 504', async () => {
    await (await net.registered('found')).ue.deregister();
    expect(await (await net.phone('lost')).ue.register()).toMatchObject({ status: 504 });
  }, 20_000);

  it('I-14 a Server-Name that is this I-CSCF is 482, one without scheme is as good as with', async () => {
    const { address, ports } = net.config;
    const named = (serverName: string) => userAuthorizationAnswer({ result: experimentalResult(2001), serverName });
    expect(await statusOf('UAR', named(`sip:${icscf}`))).toBe(482);
    net.relay!.next('UAR', named(`${address}:${ports.scscf}`), { times: 2 });
    await ben.register();
    await ben.ue.deregister();
  });

  it('I-17 an HSS that names another server for the second REGISTER: it goes to the one that has challenged', async () => {
    const { address, ports } = net.config;
    const own = `sip:${address}:${ports.scscf}`;
    const other = `sip:${address}:${ports.as}`;
    net.relay!.next('UAR', userAuthorizationAnswer({ result: experimentalResult(2001), serverName: own }));
    net.relay!.next('UAR', userAuthorizationAnswer({ result: experimentalResult(2001), serverName: other }));
    await ben.register();
    expect(net.relay!.isDone).toBe(true);
    await ben.ue.deregister();
  });

  it('I-22 I-23 S-84 an S-CSCF that the HSS names by mistake answers for itself, and no loop comes of it', async () => {
    const { address, ports } = net.config;
    const status = await statusOf(
      'LIR',
      locationInfoAnswer({ result: baseResult(2001), serverName: `sip:${address}:${ports.scscf}` }),
    );
    expect(status).toBe(480);
    expect(await statusOf('LIR', locationInfoAnswer({ result: baseResult(2001), serverName: `sip:${icscf}` }))).toBe(
      482,
    );
    await worksAgain();
  });

  it('I-26 a caller who gives up while the HSS thinks gets 487, and nobody rings', async () => {
    await ben.register();
    ben.calls.length = 0;
    net.relay!.next('LIR', { late: 700 });
    const call = anna.ue.call(ben.ue.impu);
    await until('the HSS is asked', () => net.relay!.isDone);
    call.hangUp();
    expect(await call.ended).toMatchObject({ status: 487 });
    await sleep(900);
    expect(ben.calls).toHaveLength(0);
    await ben.ue.deregister();
  });

  it('S-38 an HSS that does not answer does not keep anybody from leaving', async () => {
    await ben.register();
    net.relay!.next('SAR', 'silence', { type: 5 });
    expect(await ben.ue.deregister()).toMatchObject({ registered: true, expires: 0 });
    expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(480);
    // The HSS has it registered still, which the next registration puts right.
    await worksAgain();
  }, 20_000);
});
