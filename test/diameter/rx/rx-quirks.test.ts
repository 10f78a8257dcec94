import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { rxDictionary } from '#diameter/dictionary/rx';
import { baseResult, experimentalResult } from '#diameter/result';
import { RxClient } from '#diameter/rx/rx-client';
import type { AaService } from '#diameter/rx/rx-requests';
import { RxSessions } from '#diameter/rx/rx-sessions';
import { defaultRxServiceOptions, mediaService, signallingService } from '#nodes/pcscf/rx-services';
import { componentsOf, from } from '../../nodes/pcscf/media-components-harness.ts';
import { ManualClock } from '../manual-clock.ts';
import { raw, rawMessage } from './raw-avp.ts';

/** Reads an AAR as a foreign PCRF does: octets and no dictionary. */
function walk(octets: Buffer): { code: number; data: Buffer }[] {
  const found: { code: number; data: Buffer }[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUIntBE(at + 5, 3);
    const start = at + (octets[at + 4]! & 0x80 ? 12 : 8);
    found.push({ code: octets.readUInt32BE(at), data: octets.subarray(start, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}

function all(octets: Buffer, code: number): Buffer[] {
  return walk(octets)
    .filter((found) => found.code === code)
    .map(({ data }) => data);
}

/** A P-CSCF whose peer answers with octets made by hand from each request. */
function facing(answer: (command: number, session: Buffer) => readonly Buffer[], application?: number) {
  const clock = new ManualClock();
  const sent: Buffer[] = [];
  const answers: Buffer[] = [];
  const client: DiameterClient = new DiameterClient(
    {
      send(message) {
        sent.push(message);
        const command = message.readUIntBE(5, 3);
        const session = raw(263, 'M', all(message.subarray(20), 263)[0]!);
        const hopByHop = readHopByHop(message);
        client.onMessage(rawMessage({ command, flags: 0x40, hopByHop }, answer(command, session), application));
      },
      answer: (message) => answers.push(message),
    },
    {
      worker: 0,
      identity: { originHost: 'pcscf.ims.test', originRealm: 'ims.test' },
      dictionary: rxDictionary,
      clock,
    },
  );
  const sessions = new RxSessions({
    port: new RxClient(client, { realm: 'epc.test' }),
    clock,
    onDefect: (error) => {
      throw error;
    },
  });
  sessions.serve((command, handler) => client.handle(command, handler));
  const told: string[] = [];
  const open = () =>
    sessions.open(
      {
        reAuth: () => told.push('rar'),
        aborted: ({ cause }) => told.push(`asr ${cause}`),
        lost: () => told.push('lost'),
      },
      { mode: 'required' },
    );
  return { client, sent, answers, open, told, clock };
}

const user = { address: '10.46.0.5', impus: ['tel:+15550001', 'sip:001010000000001@ims.test'] };

function call(options = defaultRxServiceOptions): AaService {
  const { components } = componentsOf(
    from('10.46.0.5', 'm=audio 49152 RTP/AVP 0', 'b=AS:41'),
    from('10.46.0.9', 'm=audio 50010 RTP/AVP 0', 'b=AS:38'),
  );
  const service = 'urn:urn-7:3gpp-service.ims.icsi.mmtel';
  return mediaService({ user, components, service, icid: null, isPreliminary: false }, options);
}

const pyhss = [raw(264, 'M', 'hss01.epc.test'), raw(296, 'M', 'epc.test')];
const open5gs = [raw(264, 'M', 'pcrf.localdomain'), raw(296, 'M', 'localdomain')];

describe('E.6 PyHSS', () => {
  /** AAA of a PyHSS: Supported-Features with the M bit; a STA with Result-Code twice. */
  const answer = (command: number, session: Buffer) => {
    const head = [session, raw(258, 'M', 16777236), ...pyhss];
    if (command === 275) return [...head, raw(268, 'M', 2001), raw(268, 'M', 5012)];
    const features = raw(628, 'MV', [raw(266, 'M', 10415), raw(629, 'V', 1), raw(630, 'V', 0x1b)]);
    return [...head, features, raw(268, 'M', 2001)];
  };

  it('D-64 E.6 PyHSS: Supported-Features in an AAA that nobody asked for does no harm', async () => {
    const { open } = facing(answer);
    const session = open();
    expect(await session.authorize(call())).toMatchObject({ kind: 'continue', granted: true });
    expect(session.pcrfHost).toBe('hss01.epc.test');
  });

  it('D-15 D-60 E.6 PyHSS: of two Result-Codes in a STA the first counts, and one STR is all there is', async () => {
    const { client, open, sent } = facing(answer);
    const session = open();
    await session.authorize(call());
    await session.end();
    expect(sent.map((message) => message.readUIntBE(5, 3))).toEqual([265, 275]);
    const rx = new RxClient(client, { realm: 'epc.test' });
    expect(await rx.terminate({ sessionId: 'x' })).toMatchObject({ result: baseResult(2001) });
  });

  it('D-70 E.6 PyHSS: finds the subscriber by the user part of AVP 444, the audio by the first Media-Type', async () => {
    const { open, sent } = facing(answer);
    await open().authorize(call({ ...defaultRxServiceOptions, namesService: false }));
    const aar = sent[0]!.subarray(20);
    const subscription = all(all(aar, 443)[0]!, 444)[0]!.toString();
    expect(subscription.replace('sip:', '').split('@')[0]).toBe('001010000000001');
    const component = all(aar, 517)[0]!;
    expect(all(component, 520)[0]!.readUInt32BE()).toBe(0);
    expect([516, 515].map((code) => all(component, code)[0]!.readUInt32BE())).toEqual([38_000, 41_000]);
    expect(all(aar, 504)[0]!.toString()).toBe('IMS Services');
    for (const sub of all(component, 519)) {
      const flows = all(sub, 507).map(String);
      expect(flows).toHaveLength(2);
      for (const flow of flows) expect(flow).toMatch(/^permit (out|in) \d+ from \S+ \d+ to \S+ \d+$/);
    }
  });

  it('D-11 E.6 PyHSS: an error under another application id and with odd AVPs is its answer all the same', async () => {
    const odd = (_command: number, session: Buffer) => [
      session,
      raw(258, 'M', 16777272),
      raw(274, 'M', 2),
      ...pyhss,
      raw(268, 'M', 5012),
    ];
    const { open } = facing(odd, 16777272);
    const outcome = await open().authorize(call());
    expect(outcome).toMatchObject({ kind: 'unavailable', words: '5012 UNABLE_TO_COMPLY' });
  });
});

describe('E.6 Open5GS PCRF', () => {
  /** What stands before Origin-Host in its AAA and STA. */
  const head = (session: Buffer) => [session, raw(258, 'M', 16777236), raw(274, 'M', 1)];
  const yes = (_command: number, session: Buffer) => [
    ...head(session),
    raw(1027, 'MV', 5),
    raw(1032, 'V', 1004),
    ...open5gs,
    raw(268, 'M', 2001),
  ];
  const no = (code: number) => (_command: number, session: Buffer) => [
    ...head(session),
    ...open5gs,
    raw(297, 'M', [raw(266, 'M', 10415), raw(298, 'M', code)]),
  ];

  it('E.6 Open5GS: its AAA is read, with Auth-Request-Type in it', async () => {
    const { open } = facing(yes);
    expect(await open().authorize(call())).toMatchObject({ kind: 'continue', granted: true });
  });

  it('E.6 Open5GS: a UE behind a NAT (5065) and a subscriber without rule (5063) are told in words', async () => {
    const words = async (code: number) => (await facing(no(code)).open().authorize(call())).words;
    expect(await words(5065)).toMatch(/^5065 IP-CAN_SESSION_NOT_AVAILABLE: .*no bearer with this UE's address/);
    expect(await words(5063)).toMatch(/^5063 REQUESTED_SERVICE_NOT_AUTHORIZED: .*QCI 1 and QCI 5/);
  });

  it('D-70 E.6 Open5GS: the address is of 4 octets, or a prefix of 128 bits in 18', async () => {
    const { open, sent } = facing(yes);
    await open().authorize(call());
    await open().authorize(signallingService({ ...user, address: '2001:db8::5' }, path));
    expect(all(sent[0]!.subarray(20), 8)[0]!.toString('hex')).toBe('0a2e0005');
    const [prefix] = all(sent[1]!.subarray(20), 97);
    expect([prefix!.length, prefix![0], prefix![1]]).toEqual([18, 0, 128]);
    expect(all(sent[1]!.subarray(20), 8)).toEqual([]);
  });

  const path = { ueAddress: '10.46.0.5', uePort: 50600, ownAddress: '172.22.0.21', ownPort: 6100 };

  it('P-121 E.6 Open5GS: the registration is Media-Type CONTROL', async () => {
    const { open, sent } = facing(yes);
    await open().authorize(signallingService(user, path));
    const types = all(sent[0]!.subarray(20), 517).map((component) => all(component, 520)[0]!.readUInt32BE());
    expect(types).toEqual([4]);
  });

  it('Q-07 Q-08 E.6 Open5GS: flows begin as it wants, RTP and RTCP lie in sub-components of their own', async () => {
    const { open, sent } = facing(yes);
    await open().authorize(call());
    const subs = all(all(sent[0]!.subarray(20), 517)[0]!, 519);
    expect(subs.map((sub) => [509, 512].map((code) => all(sub, code)[0]!.readUInt32BE()))).toEqual([
      [1, 0],
      [2, 1],
    ]);
    for (const sub of subs) {
      const flows = all(sub, 507).map(String);
      expect(flows.map((flow) => flow.slice(0, 11))).toEqual(['permit out ', 'permit in 1']);
      for (const flow of flows) expect(flow).toMatch(/ from .* to /);
    }
    const component = all(sent[0]!.subarray(20), 517)[0]!;
    expect([534, 535].map((code) => all(component, code)[0]!.readUInt32BE())).toEqual([41_000, 38_000]);
  });

  it('P-126 P-128 E.6 Open5GS: its ASR gets an ASA, then an STR with Termination-Cause LOGOUT', async () => {
    const { answers, client, clock, open, sent, told } = facing(yes);
    const session = open();
    await session.authorize(call());
    const asr = [
      raw(263, 'M', session.id),
      ...open5gs,
      raw(283, 'M', 'localdomain'),
      raw(293, 'M', 'pcscf.ims.test'),
      raw(258, 'M', 16777236),
      raw(500, 'MV', 0),
    ];
    client.onMessage(rawMessage({ command: 274, flags: 0xc0, hopByHop: 7, endToEnd: 9 }, asr));
    expect(all(answers[0]!.subarray(20), 268)[0]!.readUInt32BE()).toBe(2001);
    expect(sent).toHaveLength(1);
    clock.advance(0);
    await session.end();
    expect(told).toEqual(['asr 0']);
    const str = sent[1]!.subarray(20);
    expect(sent[1]!.readUIntBE(5, 3)).toBe(275);
    expect(all(str, 295)[0]!.readUInt32BE()).toBe(1);
    expect(all(str, 293).map(String)).toEqual(['pcrf.localdomain']);
    expect(all(str, 263).map(String)).toEqual([session.id]);
  });

  it('P-125 E.6 Open5GS: an STR that it answers 5005 ends the session as well', async () => {
    const { open } = facing((command, session) =>
      command === 275 ? [...head(session), ...open5gs, raw(268, 'M', 5005)] : yes(command, session),
    );
    const session = open();
    await session.authorize(call());
    await session.end();
    expect(session.state).toBe('closed');
  });
});

describe('Damaged answers', () => {
  it('X-D2 X-D6 an AAA that tells no result, or is cut, counts as no answer', async () => {
    const { open } = facing((_command, session) => [session, ...pyhss]);
    expect(await open().authorize(call())).toMatchObject({
      kind: 'unavailable',
      words: expect.stringMatching(/no result/),
    });
    const short = facing((_command, session) => [session, raw(268, 'M', Buffer.from('07d1', 'hex'))]);
    expect(await short.open().authorize(call())).toMatchObject({ kind: 'unavailable' });
    const vendorless = facing((_command, session) => [session, raw(297, 'M', [raw(298, 'M', 5061)])]);
    expect(await vendorless.open().authorize(call())).toMatchObject({ kind: 'unavailable' });
  });

  it('X-D2 Class AVPs without end are not all kept', async () => {
    const classes = Array.from({ length: 40 }, (_, i) => raw(25, 'M', i === 0 ? Buffer.alloc(4000) : `c${i}`));
    const { open, sent } = facing((_command, session) => [session, ...pyhss, raw(268, 'M', 2001), ...classes]);
    const session = open();
    await session.authorize(call());
    await session.end();
    expect(all(sent[1]!.subarray(20), 25).map(String)).toEqual(['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']);
  });
});

describe('Results of Rx', () => {
  it('D-15 an Experimental-Result of 3GPP counts before a Result-Code that is no success', async () => {
    const { client } = facing((_command, session) => [
      session,
      ...open5gs,
      raw(268, 'M', 5012),
      raw(297, 'M', [raw(266, 'M', 10415), raw(298, 'M', 5065)]),
    ]);
    const answer = await new RxClient(client, { realm: 'epc.test' }).authorize({ ...call(), sessionId: 'x' });
    expect(answer).toMatchObject({ result: experimentalResult(5065) });
  });
});
