import { afterEach, describe, expect, test } from 'vitest';
import { answerChallenge } from '#lab/ue/credentials';
import { Ue, type UeOptions } from '#lab/ue/ue';
import { type Usim, usimOf } from '#lab/ue/usim';
import { akaPassword, formatAkaNonce } from '#sip/auth/aka';
import { digestResponse, parseDigest } from '#sip/auth/digest';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import { keys, Registrar, type RegistrarScript } from './registrar.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  script: RegistrarScript = {},
  options: Partial<UeOptions> & { usim?: Usim; password?: string } = {},
): Promise<{ registrar: Registrar; ue: Ue }> {
  const registrar = await Registrar.open(script);
  open.push(registrar);
  const { usim, password, ...rest } = options;
  const credentials = password === undefined ? { usim: usim ?? usimOf(keys) } : { password };
  const ue = await Ue.open({
    domain: 'ims.test',
    impu: 'sip:alice@ims.test',
    credentials: { impi: 'alice@ims.test', ...credentials },
    proxy: registrar.proxy,
    ...rest,
  });
  open.push(ue);
  return { registrar, ue };
}

describe('TS 24.229 5.1.1: registration', () => {
  test.each([
    ['AKA over UDP', {}, {}],
    ['AKA over TCP', {}, { transport: 'tcp' as const }],
    ['AKA over IPv6', { address: '::1' }, {}],
    ['AKA without qop', { qop: '' }, {}],
    ['SIP Digest', { scheme: 'MD5' as const, password: 'secret' }, { password: 'secret' }],
  ])('%s', async (_name, script, options) => {
    const { registrar, ue } = await start(script, options);
    expect(await ue.register()).toEqual({
      registered: true,
      expires: 7200,
      associatedUris: ['sip:alice@ims.test', 'tel:+15550001'],
      serviceRoute: ['<sip:orig@scscf.ims.test:6060;lr>'],
      resynchronised: 0,
    });
    expect(registrar.verdicts).toEqual(['none', 'ok']);
    expect(await ue.deregister()).toMatchObject({ registered: true, expires: 0 });
    expect(ue.serviceRoute).toEqual([]);
  });

  test('the REGISTER is what a phone sends', async () => {
    const { registrar, ue } = await start();
    await ue.register();
    const [first, second] = registrar.seen.map((request) => request.headers);
    expect(registrar.seen[0]!.requestUri).toBe('sip:ims.test');
    expect(first!.get(Header.Authorization)).toBe(
      'Digest username="alice@ims.test", realm="ims.test", uri="sip:ims.test", nonce="", response=""',
    );
    expect(first!.get(Header.Supported)).toBe('path');
    expect(first!.get(Header['P-Access-Network-Info'])).toContain('3GPP-E-UTRAN-FDD');
    expect(first!.get(Header.Contact)).toContain(`<sip:alice@127.0.0.1:${ue.port}>`);
    expect(second!.get(Header['Call-ID'])).toBe(first!.get(Header['Call-ID']));
    expect([first!.get(Header.CSeq), second!.get(Header.CSeq)]).toEqual(['1 REGISTER', '2 REGISTER']);
  });

  test('a too brief registration is asked for again with Min-Expires', async () => {
    const { registrar, ue } = await start({ minExpires: 60 });
    expect(await ue.register(10)).toMatchObject({ registered: true, expires: 60 });
    expect(registrar.seen.map((request) => request.headers.get(Header.Expires))).toEqual(['10', '10', '60']);
  });

  test('a registration is renewed in time', async () => {
    let renewed = () => {};
    const done = new Promise<void>((resolve) => (renewed = resolve));
    const { registrar, ue } = await start({}, { events: { refreshed: () => renewed() } });
    await ue.register(1);
    await done;
    expect(registrar.seen.length).toBe(4);
  });

  test('a network that does not answer is a 408', async () => {
    const { ue } = await start(
      {},
      { proxy: { address: '127.0.0.1', port: 9 }, timers: { t1Ms: 20, t2Ms: 40, t4Ms: 40 } },
    );
    expect(await ue.register()).toMatchObject({ status: 408 });
  });

  test('other requests carry Route and P-Preferred-Identity', async () => {
    const { registrar, ue } = await start();
    await ue.register();
    expect(await ue.message('sip:bob@ims.test', 'hello')).toMatchObject({ status: 202 });
    const { headers, body } = registrar.seen.at(-1)!;
    expect(headers.values(Header.Route)).toEqual([
      `<sip:127.0.0.1:${registrar.proxy.port};lr>`,
      '<sip:orig@scscf.ims.test:6060;lr>',
    ]);
    expect(headers.get(Header['P-Preferred-Identity'])).toBe('<sip:alice@ims.test>');
    expect(body).toBe('hello');
  });
});

describe('TS 33.102 6.3.3: the USIM', () => {
  test('an SQN that is not fresh is answered with AUTS, then the fresh challenge with RES', async () => {
    const usim = usimOf({ ...keys, seen: 0x500000 });
    const { registrar, ue } = await start({ sqn: 0x1000 }, { usim });
    expect(await ue.register()).toMatchObject({ registered: true, resynchronised: 1 });
    expect(registrar.verdicts).toEqual(['none', 'auts', 'ok']);
    expect(registrar.resyncs).toEqual([0x500000]);
  });

  test('a wrong MAC is answered with an empty response, and the second one ends it', async () => {
    const { registrar, ue } = await start({ k: '00112233445566778899aabbccddeeff' });
    const outcome = await ue.register();
    expect(outcome).toMatchObject({ status: 401 });
    expect('words' in outcome && outcome.words).toContain('MAC');
    expect(registrar.verdicts).toEqual(['none', 'empty']);
    expect(registrar.seen[1]!.headers.get(Header.Authorization)).not.toContain('auts');
  });

  test('a vector is good once; another index of the array may come late', () => {
    const usim = usimOf(keys);
    const k = Buffer.from(keys.k, 'hex');
    const network = new Milenage(k, opcFromOp(k, Buffer.from(keys.op, 'hex')));
    const rand = Buffer.alloc(16, 7);
    const challenge = (seq: number, ind: number) => {
      const { autn } = network.generateVector(rand, seq * 32 + ind, 0x8000);
      return usim.answer(rand, autn).kind;
    };
    expect(challenge(100, 0)).toBe('accepted');
    expect(challenge(100, 0)).toBe('resynchronise');
    expect(challenge(99, 1)).toBe('accepted');
    expect(challenge(101, 0)).toBe('accepted');
    expect(challenge(101 + 2 ** 28 + 1, 2)).toBe('resynchronise');
  });

  test('without a USIM or a password the challenge cannot be answered', async () => {
    const first = await start({}, { password: 'x' });
    expect(await first.ue.register()).toMatchObject({ status: 401, words: expect.stringContaining('USIM') });
    const second = await start({ scheme: 'MD5' });
    expect(await second.ue.register()).toMatchObject({ status: 401, words: expect.stringContaining('password') });
  });

  test('RFC 4169: AKAv2 answers with the derived password', () => {
    const k = Buffer.from(keys.k, 'hex');
    const network = new Milenage(k, opcFromOp(k, Buffer.from(keys.op, 'hex')));
    const rand = Buffer.alloc(16, 9);
    const { autn, xres, ik, ck } = network.generateVector(rand, 64, 0x8000);
    const nonce = formatAkaNonce(rand, autn);
    const credentials = { impi: 'alice@ims.test', usim: usimOf(keys) };
    const challenge = `Digest realm="ims.test", nonce="${nonce}", algorithm=AKAv2-MD5`;
    const answer = answerChallenge(challenge, credentials, 'REGISTER', 'sip:ims.test');
    if (typeof answer === 'string') throw new Error(answer);
    const parameters = parseDigest(answer.authorization);
    if (parameters instanceof ParseFailure) throw new Error(parameters.reason);
    const password = akaPassword('AKAv2-MD5', xres, ik, ck);
    const input = { method: 'REGISTER', uri: 'sip:ims.test', nonce, username: 'alice@ims.test', realm: 'ims.test' };
    expect(parameters.get('response')).toBe(digestResponse({ ...input, password }));
    expect(answer.ck).toEqual(ck);
  });
});
