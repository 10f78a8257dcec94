import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answerChallenge } from '#lab/ue/credentials';
import { usimOf } from '#lab/ue/usim';
import { UdpPeer } from '../torture/raw-peer.ts';
import { isFinalOf, type RawUe, requestOf, verdictIn } from '../torture/raw-ue.ts';
import { fieldOf, fieldsOf, HomeNetwork, type HomePhone, homeUsim, keys } from './home-network.ts';
import { sleep, until } from './resilient-lab.ts';

/** Whom the core knows: phones and all others are at other addresses of the loopback. */
const strangerAddress = '127.0.0.77';

describe('a home network under attack', () => {
  let net: HomeNetwork;
  let anna: HomePhone;
  let victim: HomePhone;
  let stranger: UdpPeer;
  /** A P-CSCF that we play. */
  let peer: UdpPeer;
  let node: Record<'icscf' | 'scscf', { address: string; port: number }>;
  beforeAll(async () => {
    net = await HomeNetwork.start({
      relay: true,
      users: (at) => [
        { name: 'anna' },
        { name: 'victim' },
        { name: 'sim', more: { password: undefined } },
        { name: 'spread', criteria: Array.from({ length: 3 }, () => ({ server: at('proxy;copies=8'), cases: [0] })) },
        { name: 'asked', criteria: [{ server: at('failing;status=401'), method: 'REGISTER' }] },
        { name: 'tricked', criteria: [{ server: at('redirect;to=sip:victim%40ims.test%3FX-Evil%3D1'), cases: [1] }] },
        { name: 'circled', criteria: [{ server: at('forwarding;to=sip:circled%40ims.test'), cases: [1] }] },
      ],
      change(contents) {
        for (const role of ['icscf', 'scscf'] as const) contents[role].trusted = ['127.0.0.1/32'];
        for (const role of ['icscf', 'scscf', 'pcscf'] as const) contents[role].log = { level: 'trace' };
      },
    });
    const { address, ports } = net.config;
    node = { icscf: { address, port: ports.icscf }, scscf: { address, port: ports.scscf } };
    anna = await net.registered('anna');
    victim = await net.registered('victim');
    stranger = await UdpPeer.open(strangerAddress);
    peer = await UdpPeer.open(address);
    // What the registrations lead to, such as subscriptions of the P-CSCF, asks the HSS too.
    for (let before = -1; before !== asks(); await sleep(500)) before = asks();
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await Promise.all([stranger?.close(), peer?.close()]);
    await net?.stop();
    expect(findings).toEqual([]);
  });
  beforeEach(() => {
    victim.heard.length = 0;
    victim.calls.length = 0;
  });

  const asks = () => Object.values(net.relay!.seen).reduce((sum, count) => sum + count, 0);
  const reaches = async () => (await net.callStatus(anna, victim.ue.impu)).status;

  /** Sends a request from a socket to a node; gives the verdict of its final answer. */
  async function verdictOf(
    from: UdpPeer,
    to: 'icscf' | 'scscf',
    method: string,
    uri: string,
    lines: Record<string, string | null> = {},
  ): Promise<string> {
    const request = requestOf(from, 'UDP', method, uri, lines);
    await from.send(request.text, node[to]);
    return verdictIn(await from.next((text) => isFinalOf(text, request.callId), 3_000));
  }

  it.each([
    ['icscf', 'REGISTER', {}],
    ['icscf', 'INVITE', {}],
    ['icscf', 'INVITE', { 'P-Served-User': '<sip:victim@ims.test>;sescase=orig;regstate=reg' }],
    ['scscf', 'REGISTER', { Authorization: 'Digest username="victim@ims.test", integrity-protected="yes"' }],
    ['scscf', 'INVITE', { 'P-Asserted-Identity': '<sip:victim@ims.test>' }],
    ['scscf', 'INVITE', { 'P-Served-User': '<sip:victim@ims.test>;sescase=orig;regstate=reg' }],
    ['scscf', 'MESSAGE', { 'P-Asserted-Identity': '<sip:victim@ims.test>', 'P-Profile-Key': '<sip:victim@ims.test>' }],
    ['scscf', 'SUBSCRIBE', { 'P-Asserted-Identity': '<sip:victim@ims.test>', Event: 'reg' }],
    ['scscf', 'BYE', { To: '<sip:victim@ims.test>;tag=x' }],
  ] as const)(
    'I-01 S-01 X-I2 X-I20 X-I22 a stranger who sends the %s a %s is 403, the HSS is not asked, nobody hears of it',
    async (to, method, lines) => {
      const before = asks();
      const heard = stranger.heard.length;
      const { address, port } = node[to];
      const uri = method === 'REGISTER' ? 'sip:ims.test' : 'sip:victim@ims.test';
      const route = method === 'REGISTER' ? {} : { Route: `<sip:orig@${address}:${port};lr>` };
      const request = requestOf(stranger, 'UDP', method, uri, { ...route, ...lines });
      await stranger.send(request.text, node[to]);
      const answer = await stranger.next((text) => isFinalOf(text, request.callId), 3_000);
      expect(verdictIn(answer)).toMatch(/^403/);
      expect(answer!.length).toBeLessThanOrEqual(request.text.length * 1.5);
      // T1 and more: what is not acknowledged is not sent again.
      await sleep(700);
      expect(stranger.heard.length).toBe(heard + 1);
      expect(asks()).toBe(before);
      expect(victim.heard).toEqual([]);
    },
  );

  it('X-I1 X-I2 what a phone says of itself does not count', async () => {
    const ue = await net.raw(401);
    await ue.register();
    const lines = {
      'P-Asserted-Identity': '<sip:anna@ims.test>',
      'P-Preferred-Identity': '<sip:anna@ims.test>',
      'P-Served-User': '<sip:anna@ims.test>;sescase=orig;regstate=reg',
      'P-Profile-Key': '<sip:anna@ims.test>',
      'P-Charging-Vector': 'icid-value=evil;orig-ioi=evil.test',
    };
    expect(verdictIn(await ue.ask(ue.request('MESSAGE', victim.ue.impu, lines)))).toBe('200');
    const [text] = victim.requests('MESSAGE');
    expect(fieldsOf(text!, 'P-Asserted-Identity').join()).toContain(ue.impi);
    expect(text!.replace(/^From:.*$/m, '')).not.toMatch(/sip:anna@|evil/);
  });

  describe('a REGISTER of somebody else', () => {
    it.each([
      ['without credentials', {}],
      [
        'with the name of the victim',
        {
          Authorization:
            'Digest username="victim@ims.test", realm="ims.test", nonce="", uri="sip:ims.test", response=""',
        },
      ],
      [
        'that claims to be protected',
        {
          Authorization:
            'Digest username="victim@ims.test", realm="ims.test", nonce="", uri="sip:ims.test", response="", Integrity-Protected="yes"',
        },
      ],
      [
        'that claims so twice',
        {
          Authorization:
            'Digest username="victim@ims.test", integrity-protected=yes, realm="ims.test", nonce="", uri="sip:ims.test", response="", INTEGRITY-PROTECTED="tls-yes"',
        },
      ],
    ] as const)(
      'X-I3 X-I8 %s is challenged, with Expires 0 and Contact * too; the victim stays registered',
      async (_words, lines) => {
        const ue = await net.raw(402);
        const who = { From: '<sip:victim@ims.test>;tag=x', To: '<sip:victim@ims.test>', ...lines };
        expect(verdictIn(await ue.ask(ue.registerRequest(who)))).toMatch(/^401/);
        expect(verdictIn(await ue.ask(ue.registerRequest({ ...who, Expires: '0' })))).toMatch(/^401/);
        expect(verdictIn(await ue.ask(ue.registerRequest({ ...who, Contact: '*', Expires: '0' })))).toMatch(/^401/);
        expect(await net.stateOf('victim@ims.test')).toEqual(['registered']);
        expect(await reaches()).toBe(200);
        // Ten challenges in a row are the most there are for one user.
        await victim.register();
      },
    );

    it('X-I9 asks the HSS for ten vectors and no more, while others register', async () => {
      const ue = await net.raw(403);
      const before = net.relay!.seen.MAR;
      const verdicts: string[] = [];
      for (let i = 0; i < 25; i++) verdicts.push(verdictIn(await ue.ask(ue.registerRequest())));
      expect(net.relay!.seen.MAR - before).toBeLessThanOrEqual(10);
      expect(verdicts[0]).toMatch(/^401/);
      expect(verdicts.at(-1)).toBe('500 too-many-challenges');
      const other = await net.raw(404);
      await other.register();
      expect(await reaches()).toBe(200);
    });
  });

  describe('credentials', () => {
    /** The status that a REGISTER with such credentials gets. */
    async function refusalOf(ue: RawUe, rewrite: (credentials: string) => string): Promise<string> {
      const outcome = await ue.register({}, rewrite).catch((error: Error) => error);
      return outcome instanceof Error ? outcome.message.replace('not registered: SIP/2.0 ', '').slice(0, 3) : '200';
    }

    it.each([
      ['a changed realm', (text: string) => text.replace('realm="ims.test"', 'realm="evil.test"')],
      ['a changed URI', (text: string) => text.replace('uri="sip:ims.test"', 'uri="sip:evil.test"')],
      ['a changed algorithm', (text: string) => text.replace(/algorithm=[A-Za-z0-9-]+/, 'algorithm=AKAv1-MD5')],
      ['a changed user', (text: string) => text.replace('username="user', 'username="xuser')],
      ['a changed nonce', (text: string) => text.replace(/nonce="./, 'nonce="!')],
      ['a changed response', (text: string) => text.replace(/response="[0-9a-f]{4}/, 'response="0000')],
      ['an empty response', (text: string) => text.replace(/response="[^"]*"/, 'response=""')],
      ['no response', (text: string) => text.replace(/response="[^"]*",?/, '')],
    ])('S-10 S-13 S-14 X-I10 with %s do not register', async (_words, rewrite) => {
      const ue = await net.raw(405);
      expect(await refusalOf(ue, rewrite)).toMatch(/^40[0-9]/);
      expect(await net.stateOf(ue.impi)).toEqual(['not-registered']);
      expect(await refusalOf(ue, (same) => same)).toBe('200');
      const answer = await ue.register({ Expires: '0' });
      expect(fieldsOf(answer, 'Contact')).toEqual([]);
    });

    it('S-11 X-I10 are good once, and only for whom they were made', async () => {
      const [ue, other] = [await net.raw(406), await net.raw(407)];
      let used = '';
      await ue.register({}, (text) => (used = text));
      expect(verdictIn(await ue.ask(ue.registerRequest({ Authorization: used })))).toMatch(/^401/);
      expect(verdictIn(await other.ask(other.registerRequest({ Authorization: used })))).toMatch(/^40[13]/);
      // The nonce of one user, answered rightly with the name and password of another.
      const challenged = await ue.ask(ue.registerRequest());
      const answer = answerChallenge(
        fieldOf(challenged!, 'WWW-Authenticate')!,
        { impi: other.impi, password: 'pw000407' },
        'REGISTER',
        'sip:ims.test',
      );
      if (typeof answer === 'string') throw new Error(answer);
      expect(verdictIn(await other.ask(other.registerRequest({ Authorization: answer.authorization })))).toMatch(
        /^401/,
      );
      expect(await net.stateOf(other.impi)).toEqual(['not-registered']);
      expect(await net.stateOf(ue.impi)).toEqual(['registered']);
    });

    it('S-12 S-13 a USIM that is ahead is resynchronised; one with another key is not registered', async () => {
      const other = await net.phone('sim', {
        credentials: { impi: 'sim@ims.test', usim: homeUsim((Math.floor(Date.now() / 1000) + 10 ** 6) * 32) },
      });
      expect(await other.ue.register()).toMatchObject({ registered: true, resynchronised: 1 });
      await other.ue.deregister();
      const stolen = await net.phone('sim', {
        credentials: { impi: 'sim@ims.test', usim: homeUsimOf('00'.repeat(16)) },
      });
      expect(await stolen.ue.register()).toMatchObject({ words: expect.stringContaining('MAC') });
      expect(await net.stateOf('sim@ims.test')).toEqual(['not-registered']);
    });

    it('S-12 X-I10 a USIM that is never content is 403 after two resynchronisations', async () => {
      const usim = homeUsim();
      const phone = await net.phone('sim', {
        credentials: {
          impi: 'sim@ims.test',
          get usim() {
            // Before each challenge it has seen more than the network knows.
            usim.sqn = (Math.floor(Date.now() / 1000) + 10 ** 7 * ++rounds) * 32;
            return usim;
          },
        },
      });
      let rounds = 0;
      expect(await phone.ue.register()).toMatchObject({ status: 403, words: expect.stringContaining('resync-limit') });
      expect(await net.stateOf('sim@ims.test')).toEqual(['not-registered']);
    });
  });

  it('S-08 X-I15 keys go to the P-CSCF that asks for them, and to no log', async () => {
    const lines = {
      From: '<sip:sim@ims.test>;tag=k',
      To: '<sip:sim@ims.test>',
      Contact: `<sip:sim@${peer.address}:${peer.port}>`,
      Authorization:
        'Digest username="sim@ims.test", realm="ims.test", nonce="", uri="sip:ims.test", response="", integrity-protected="no"',
    };
    const request = requestOf(peer, 'UDP', 'REGISTER', 'sip:ims.test', lines);
    await peer.send(request.text, node.icscf);
    const answer = await peer.next((text) => isFinalOf(text, request.callId));
    const challenge = fieldOf(answer!, 'WWW-Authenticate')!;
    const [ck, ik] = ['ck', 'ik'].map((name) => new RegExp(`\\b${name}="([0-9a-f]{32})"`).exec(challenge)![1]!);
    await sleep(100);
    for (const key of [ck!, ik!]) {
      const base64 = Buffer.from(key, 'hex').toString('base64').replace(/=+$/, '');
      for (const role of ['icscf', 'scscf', 'pcscf', 'hss'] as const) {
        expect(net.log(role).toLowerCase()).not.toContain(key);
        expect(net.log(role)).not.toContain(base64);
      }
    }
  });

  it('S-50 S-53 X-I14 a server that asks for credentials gets none', async () => {
    net.seen.length = 0;
    const asked = await net.registered('asked');
    await until('the server has heard', () => net.served('REGISTER').length > 0);
    await sleep(700);
    const heard = net.served('REGISTER');
    expect(heard).toHaveLength(1);
    expect(heard[0]).not.toMatch(/^(Proxy-)?Authorization:/im);
    expect(await net.stateOf('asked@ims.test')).toEqual(['registered']);
    await asked.ue.deregister();
  });

  it('S-62 X-I14 nor does a phone that asks for them with a NOTIFY', async () => {
    const ue = await net.raw(408);
    await ue.register();
    const { address, port } = ue.peer;
    const request = ue.request('SUBSCRIBE', ue.impu, {
      Event: 'reg',
      Accept: 'application/reginfo+xml',
      Expires: '600',
      From: `<${ue.impu}>;tag=w`,
      Contact: `<sip:${address}:${port}>`,
    });
    expect(verdictIn(await ue.ask(request))).toBe('200');
    const notify = (await ue.peer.next((text) => text.startsWith('NOTIFY ')))!;
    const fields = notify
      .split('\r\n\r\n')[0]!
      .split('\r\n')
      .filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
    const challenge = 'WWW-Authenticate: Digest realm="evil.test", nonce="1", algorithm=MD5, qop="auth"';
    await ue.send(['SIP/2.0 401 Unauthorized', ...fields, challenge, 'Content-Length: 0', '', ''].join('\r\n'));
    await sleep(700);
    for (const text of ue.peer.heard) expect(text).not.toMatch(/^(Proxy-)?Authorization:/im);
  });

  it('S-60 X-I16 whoever asks for a registration of others gets none, and a stranger hears the same whether there is one or not', async () => {
    const ue = await net.raw(409);
    await ue.register();
    for (const name of ['victim', 'sim', 'nobody']) {
      const { address, port } = ue.peer;
      const lines = { Event: 'reg', Accept: 'application/reginfo+xml', Contact: `<sip:${address}:${port}>` };
      const verdict = verdictIn(await ue.ask(ue.request('SUBSCRIBE', `sip:${name}@ims.test`, lines)));
      // Who is not served at all is told so to those who are registered, as for a call.
      expect(verdict).toMatch(name === 'victim' ? /^403 may-not-watch/ : /^(403|480|604)/);
    }
    const before = await net.raw(410);
    const outside = new Set<string>();
    for (const name of ['victim', 'sim', 'nobody']) {
      outside.add(verdictIn(await before.ask(before.request('OPTIONS', `sip:${name}@ims.test`))));
    }
    expect(outside.size).toBe(1);
    expect([...outside][0]).toMatch(/^403/);
  });

  it('X-I17 X-I22 requests of no dialog reach nobody', async () => {
    const ue = await net.raw(411);
    await ue.register();
    const call = anna.ue.call(victim.ue.impu);
    expect(await call.answered).toBe(true);
    for (const method of ['BYE', 'CANCEL', 'UPDATE', 'INFO'] as const) {
      const lines = { To: `<${victim.ue.impu}>;tag=guess`, 'Call-ID': call.callId };
      const { text } = ue.request(method, `sip:victim@${victim.ue.address}:${victim.ue.port}`, lines);
      await ue.send(text);
      expect(verdictIn(await ue.peer.next((each) => isFinalOf(each, call.callId)))).toMatch(/^4/);
    }
    expect(await verdictOf(peer, 'scscf', 'BYE', victim.ue.impu, { To: `<${victim.ue.impu}>;tag=x` })).toMatch(
      /^4(81|04)/,
    );
    expect(await verdictOf(peer, 'icscf', 'BYE', victim.ue.impu, { To: `<${victim.ue.impu}>;tag=x` })).toMatch(
      /^4(81|04)/,
    );
    for (const method of ['BYE', 'CANCEL', 'UPDATE', 'INFO']) expect(victim.requests(method)).toEqual([]);
    call.hangUp();
    expect(await call.ended).toMatchObject({ by: 'us', status: 200 });
  });

  it.each([
    ['a header part', 'sip:victim@ims.test?P-Asserted-Identity=%3Csip:anna%40ims.test%3E&Route=%3Csip:127.0.0.9%3E'],
    ['maddr', 'sip:victim@ims.test;maddr=127.0.0.9'],
    ['odd characters in a number', 'tel:+1555;phone-context=<script>'],
    ['an address of a node', 'NODE'],
  ])('X-I18 a Request-URI with %s becomes no header, leads nowhere else and ends here', async (_words, uri) => {
    const ue = await net.raw(412);
    await ue.register();
    const at = uri === 'NODE' ? `sip:${node.scscf.address}:${node.scscf.port}` : uri;
    const outside = await UdpPeer.open('127.0.0.9', 5060).catch(() => null);
    const verdict = verdictIn(await ue.ask(ue.request('MESSAGE', at)));
    await outside?.close();
    expect(verdict).toMatch(/^(200|4|604)/);
    expect(outside?.heard ?? []).toEqual([]);
    for (const text of victim.requests('MESSAGE')) {
      expect(fieldsOf(text, 'P-Asserted-Identity').join()).toContain(ue.impi);
      expect(text.split('\r\n')[0]).not.toMatch(/maddr|\?/);
    }
    expect(await reaches()).toBe(200);
  });

  it('S-96 S-131 X-I18 X-I19 a diversion in circles and one with headers in its URI come to an end', async () => {
    const circled = await net.registered('circled');
    const { status } = await net.callStatus(anna, circled.ue.impu);
    expect([200, 480, 482, 483]).toContain(status);
    const tricked = await net.registered('tricked');
    expect((await net.callStatus(anna, tricked.ue.impu)).status).toBe(302);
    expect(victim.heard.join()).not.toContain('X-Evil');
  }, 20_000);

  it('X-I19 Max-Forwards 0 is 483, a missing one is put in, and servers that fork over and over stay within Max-Breadth', async () => {
    const ue = await net.raw(413);
    await ue.register();
    expect(verdictIn(await ue.ask(ue.request('MESSAGE', victim.ue.impu, { 'Max-Forwards': '0' })))).toMatch(/^483/);
    expect(victim.requests('MESSAGE')).toEqual([]);
    expect(verdictIn(await ue.ask(ue.request('MESSAGE', victim.ue.impu, { 'Max-Forwards': null })))).toBe('200');
    expect(Number(fieldOf(victim.requests('MESSAGE')[0]!, 'Max-Forwards'))).toBeGreaterThan(60);
    const spread = await net.registered('spread');
    victim.takes = 486;
    const { status } = await net.callStatus(spread, victim.ue.impu);
    victim.takes = 'answer';
    expect(status).toBeGreaterThanOrEqual(400);
    expect(victim.requests('INVITE').length).toBeLessThanOrEqual(60);
    expect(await reaches()).toBe(200);
  }, 20_000);

  it('S-80 S-95 X-I2 an original dialog identifier that nobody gave is none, and services cannot be skipped by one', async () => {
    const { address, port } = node.scscf;
    for (const odi of ['odi.AAAA', `odi.${'A'.repeat(110)}`, 'odi.', `odi.${'%41'.repeat(40)}`]) {
      const lines = {
        Route: `<sip:${odi}@${address}:${port};lr;orig>`,
        'P-Asserted-Identity': '<sip:nobody@evil.test>',
      };
      expect(await verdictOf(peer, 'scscf', 'MESSAGE', victim.ue.impu, lines)).toMatch(/^(403|404)/);
    }
    expect(victim.requests('MESSAGE')).toEqual([]);
  });

  it('I-22 X-I22 the core carries nothing to a domain that nobody has asked it to serve', async () => {
    expect(await verdictOf(peer, 'scscf', 'MESSAGE', 'sip:x@127.0.0.9')).toMatch(/^4/);
    expect(await verdictOf(peer, 'icscf', 'MESSAGE', 'sip:x@127.0.0.9')).toMatch(/^(4|6)/);
  });
});

function homeUsimOf(k: string) {
  return usimOf({ k, op: keys.op });
}
