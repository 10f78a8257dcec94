import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answerChallenge } from '#lab/ue/credentials';
import { isFinalOf, type Lines, type RawUe, verdictIn } from '../torture/raw-ue.ts';
import { fieldOf, fieldsOf, HomeNetwork, type HomePhone } from './home-network.ts';
import { until } from './resilient-lab.ts';

const domain = 'ims.test';
const family = [
  [
    { identity: `sip:nora@${domain}`, displayName: 'Nora' },
    { identity: 'tel:+15550106' },
    { identity: `sip:nora.hidden@${domain}`, barred: true },
    { identity: `sip:nora-!.*!@${domain}` },
  ],
];

describe('identities of a home network', () => {
  let net: HomeNetwork;
  let anna: HomePhone;
  beforeAll(async () => {
    net = await HomeNetwork.start({
      users: () => [
        { name: 'anna', more: { impus: [`sip:anna@${domain}`, 'tel:+15550101'] } },
        { name: 'nora-mobile', more: { subscription: 'nora', sets: family } },
        { name: 'nora-home', more: { subscription: 'nora', sets: family } },
        { name: 'hermit', more: { sets: [[{ identity: `sip:hermit@${domain}`, barred: true }]] } },
        { name: 'absent' },
        { name: 'twin' },
        {
          name: 'service',
          more: { sets: [[`sip:service@${domain}`], [{ identity: `sip:chat-!.*!@${domain}`, service: true }]] },
        },
      ],
    });
    anna = await net.registered('anna');
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });

  describe('two phones that share their identities', () => {
    let mobile: HomePhone;
    let home: HomePhone;
    const nora = { impu: `sip:nora@${domain}` };
    beforeAll(async () => {
      [mobile, home] = [await net.phone('nora-mobile', nora), await net.phone('nora-home', nora)];
    });
    beforeEach(async () => {
      for (const phone of [mobile, home]) {
        phone.takes = 'ring';
        phone.heard.length = 0;
        phone.calls.length = 0;
        await phone.register();
      }
    });

    it('S-24 S-25 S-26 S-27 S-32 S-40 are told all identities but the barred one, and both stay registered', async () => {
      const associated = [nora.impu, 'tel:+15550106', `sip:nora-!.*!@${domain}`];
      expect(mobile.ue.associatedUris).toEqual(associated);
      expect(home.ue.associatedUris).toEqual(associated);
      expect(
        (await net.hss<{ sets: { registeredBy: string[] }[] }>('hss.show', { identity: nora.impu })).sets[0]!
          .registeredBy,
      ).toEqual([`nora-mobile@${domain}`, `nora-home@${domain}`]);
    });

    it('S-122 S-123 ring together; who answers has the call, the other is told that it was answered elsewhere', async () => {
      for (const [first, other] of [
        [mobile, home],
        [home, mobile],
      ] as const) {
        const call = anna.ue.call(nora.impu);
        await until('both ring', () => first.calls.length > 0 && other.calls.length > 0);
        first.calls.at(-1)!.answer();
        expect(await call.answered).toBe(true);
        expect(await other.calls.at(-1)!.ended).toMatchObject({ by: 'them', status: 487 });
        expect(fieldOf(other.requests('CANCEL').at(-1)!, 'Reason')).toMatch(/SIP *;cause=200/);
        call.hangUp();
        await call.ended;
        for (const phone of [first, other]) phone.calls.length = 0;
      }
    }, 20_000);

    it('S-123 one is busy and the other answers; both are busy; one declines for all', async () => {
      mobile.takes = 486;
      home.takes = 'answer';
      expect((await net.callStatus(anna, nora.impu)).status).toBe(200);
      home.takes = 486;
      expect((await net.callStatus(anna, nora.impu)).status).toBe(486);
      home.takes = 603;
      mobile.takes = 'ring';
      expect((await net.callStatus(anna, nora.impu)).status).toBe(603);
      expect(await mobile.calls.at(-1)!.ended).toMatchObject({ status: 487 });
    }, 20_000);

    it('I-26 S-123 a caller who gives up stops both', async () => {
      const call = anna.ue.call(nora.impu);
      await until('both ring', () => mobile.calls.length > 0 && home.calls.length > 0);
      call.hangUp();
      expect(await call.ended).toMatchObject({ status: 487 });
      for (const phone of [mobile, home]) expect(await phone.calls[0]!.ended).toMatchObject({ status: 487 });
    });

    it.each([
      ['its number', 'tel:+15550106'],
      ['its number with separators', 'tel:+1-555-0106'],
      ['its number as a SIP URI', `sip:+15550106@${domain};user=phone`],
      ['a name that the wildcard stands for', `sip:nora-kitchen@${domain}`],
      ['capitals in the host, and parameters', `sip:nora@IMS.TEST;x=y`],
    ])('S-84 S-120 I-21 I-23 are reached by %s, and told what was called', async (_words, uri) => {
      mobile.takes = 'answer';
      expect((await net.callStatus(anna, uri)).status).toBe(200);
      await until('the other was called as well', () => home.calls.length === 1);
      const invite = mobile.requests('INVITE')[0]!;
      expect(fieldOf(invite, 'P-Called-Party-ID')).toContain(uri.includes('tel:') ? '+1' : uri.slice(4, 10));
      expect(fieldOf(invite, 'P-Profile-Key')).toBeNull();
    });

    it('S-110 S-125 a caller with a number is shown by name and number', async () => {
      mobile.takes = 'answer';
      expect((await net.callStatus(anna, nora.impu)).status).toBe(200);
      const shown = fieldsOf(mobile.requests('INVITE')[0]!, 'P-Asserted-Identity').join(', ');
      expect(shown).toContain(`sip:anna@${domain}`);
      expect(shown).toContain('tel:+15550101');
    });

    it('S-25 S-84 nobody reaches the barred identity, and nobody calls by it', async () => {
      expect((await net.callStatus(anna, `sip:nora.hidden@${domain}`)).status).toBe(404);
      anna.takes = 'answer';
      anna.heard.length = 0;
      const response = await mobile.ue.request('OPTIONS', anna.ue.impu, [
        ['P-Preferred-Identity', `<sip:nora.hidden@${domain}>`],
      ]);
      expect(response.status).toBe(200);
      expect(fieldsOf(anna.requests('OPTIONS')[0]!, 'P-Asserted-Identity').join()).not.toContain('hidden');
    });

    it('S-25 the barred identity may register, for what it is registered together with', async () => {
      const hidden = await net.phone('nora-mobile', { impu: `sip:nora.hidden@${domain}` });
      expect(await hidden.register()).toEqual([nora.impu, 'tel:+15550106', `sip:nora-!.*!@${domain}`]);
      await hidden.ue.close();
      await mobile.register();
    });

    it('S-38 one that leaves leaves the other; the last one ends it', async () => {
      await mobile.ue.deregister();
      home.takes = 'answer';
      expect((await net.callStatus(anna, nora.impu)).status).toBe(200);
      expect(mobile.calls).toHaveLength(0);
      expect(await net.stateOf(nora.impu)).toEqual(['registered']);
      await home.ue.deregister();
      expect(await net.stateOf(nora.impu)).toEqual(['not-registered']);
      expect((await net.callStatus(anna, nora.impu)).status).toBe(480);
    });
  });

  it('S-25 a user all of whose identities are barred is 403, and not registered anywhere', async () => {
    const hermit = await net.phone('hermit');
    expect(await hermit.ue.register()).toMatchObject({ status: 403 });
    expect(await net.stateOf(`hermit@${domain}`)).toEqual(['not-registered']);
  });

  it('I-22 S-84 who is not registered is 480, who does not exist 604, a service that nobody serves 480', async () => {
    expect((await net.callStatus(anna, `sip:absent@${domain}`)).status).toBe(480);
    expect((await net.callStatus(anna, `sip:nobody@${domain}`)).status).toBe(604);
    expect([480, 404]).toContain((await net.callStatus(anna, `sip:chat-room@${domain}`)).status);
    expect([404, 604]).toContain((await net.callStatus(anna, 'tel:+19999999')).status);
  });

  describe('contacts', () => {
    let raw: RawUe;
    beforeAll(async () => {
      raw = await net.raw(301);
    });

    it('S-37 a REGISTER without Contact asks what there is', async () => {
      const ok = await raw.register();
      expect(fieldsOf(ok, 'Contact')).toHaveLength(1);
      const query = await raw.register({ Contact: null, Expires: null });
      expect(fieldsOf(query, 'Contact')).toHaveLength(1);
    });

    it('S-30 too short an interval is 423 with Min-Expires, and nothing changes', async () => {
      await expect(raw.register({ Expires: '10' })).rejects.toThrow('SIP/2.0 423');
      const query = await raw.register({ Contact: null, Expires: null });
      expect(Number(/expires=([0-9]+)/.exec(fieldOf(query, 'Contact')!)![1])).toBeGreaterThan(3_000);
    });

    it('S-34 `*` needs Expires 0 and stands alone', async () => {
      await expect(raw.register({ Contact: '*' })).rejects.toThrow('SIP/2.0 400');
      const { address, port } = raw.peer;
      const both = `*, <sip:${address}:${port}>`;
      await expect(raw.register({ Contact: both, Expires: '0' })).rejects.toThrow('SIP/2.0 400');
      expect(fieldsOf(await raw.register({ Contact: '*', Expires: '0' }), 'Contact')).toHaveLength(0);
    });

    it('S-32 a new contact of the same phone takes the place of the older one', async () => {
      const { address, port } = raw.peer;
      await raw.register({ Contact: `<sip:old@${address}:${port}>` });
      const ok = await raw.register({ Contact: `<sip:new@${address}:${port}>` });
      expect(fieldsOf(ok, 'Contact')).toHaveLength(1);
      expect(fieldOf(ok, 'Contact')).toContain('sip:new@');
    });

    it('S-33 a CSeq that is not higher within one Call-ID is refused', async () => {
      const proven = async (callId: string, cseq: number): Promise<string> => {
        const ask = async (lines: Lines) => {
          const { text, callId: own } = raw.registerRequest(lines);
          await raw.send(text.replace(`Call-ID: ${own}`, `Call-ID: ${callId}`));
          return (await raw.peer.next((each) => isFinalOf(each, callId)))!;
        };
        const challenge = fieldOf(await ask({ CSeq: `${cseq} REGISTER` }), 'WWW-Authenticate')!;
        const credentials = { impi: raw.impi, password: 'pw000301' };
        const answer = answerChallenge(challenge, credentials, 'REGISTER', 'sip:ims.test');
        if (typeof answer === 'string') throw new Error(answer);
        return verdictIn(await ask({ CSeq: `${cseq + 1} REGISTER`, Authorization: answer.authorization }));
      };
      expect(await proven('one', 50)).toBe('200');
      expect(await proven('one', 40)).toBe('500 cseq-too-low');
      expect(await proven('another', 1)).toBe('200');
    });
  });

  describe('a phone with two contacts', () => {
    it('S-20 S-32 S-122 reg-id: both flows are bound, the younger is tried first, the other when that one is dead', async () => {
      const [one, two] = [await net.raw(302), await net.raw(302)];
      const instance = '<urn:uuid:00000000-0000-1000-8000-000000000302>';
      const contact = (ue: RawUe, id: number) =>
        `<sip:u@${ue.peer.address}:${ue.peer.port}>;+sip.instance="${instance}";reg-id=${id}`;
      const lines = { Supported: 'path, outbound, gruu' };
      await one.register({ ...lines, Contact: contact(one, 1) });
      const ok = await two.register({ ...lines, Contact: contact(two, 2) });
      expect(
        fieldsOf(ok, 'Contact')
          .join(', ')
          .match(/reg-id=/g),
      ).toHaveLength(2);
      const message = anna.ue.message(one.impu, 'hello');
      const heard = await Promise.any(
        [one, two].map(async (ue) => {
          const text = await ue.peer.next((each) => each.startsWith('MESSAGE '), 3_000);
          if (text === null) throw new Error('nothing came');
          return { ue, text };
        }),
      );
      await heard.ue.send(okTo(heard.text));
      expect((await message).status).toBe(200);
      // One instance is one phone: it hears it once.
      const again = await Promise.all(
        [one, two].map((ue) =>
          ue.peer.next((each) => each.startsWith('MESSAGE ') && !each.includes(fieldOf(heard.text, 'Call-ID')!), 300),
        ),
      );
      expect(again).toEqual([null, null]);
    }, 20_000);

    it('S-41 a GRUU leads to its instance only', async () => {
      const raw = await net.raw(303);
      const { address, port } = raw.peer;
      const instance = '<urn:uuid:00000000-0000-1000-8000-000000000303>';
      const ok = await raw.register({
        Supported: 'path, gruu',
        Contact: `<sip:u@${address}:${port}>;+sip.instance="${instance}"`,
      });
      const gruu = /pub-gruu="([^"]+)"/.exec(fieldOf(ok, 'Contact')!)?.[1];
      expect(gruu).toContain(';gr=');
      const message = anna.ue.message(gruu!, 'hello');
      const text = await raw.peer.next((each) => each.startsWith('MESSAGE '));
      expect(text).toContain(`MESSAGE sip:u@${address}:${port}`);
      await raw.send(okTo(text!));
      expect((await message).status).toBe(200);
      expect((await anna.ue.message(`${gruu}x`, 'hello')).status).toBe(480);
      expect((await anna.ue.message(`sip:absent@${domain};gr=urn:uuid:1`, 'hello')).status).toBeGreaterThanOrEqual(400);
    }, 20_000);
  });

  it('S-41 S-84 a phone that is gone is not reached by what it was called before', async () => {
    const twin = await net.registered('twin');
    await twin.ue.deregister();
    expect((await net.callStatus(anna, twin.ue.impu)).status).toBe(480);
  });
});

/** The 200 to a request. */
function okTo(request: string): string {
  const lines = request.split('\r\n\r\n')[0]!.split('\r\n');
  const fields = lines.filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
  const tagged = fields.map((line) => (line.startsWith('To:') ? `${line};tag=z` : line));
  return ['SIP/2.0 200 OK', ...tagged, 'Content-Length: 0', '', ''].join('\r\n');
}
