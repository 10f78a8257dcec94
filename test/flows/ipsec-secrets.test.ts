import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Usim } from '#lab/ue/usim';
import { callManagement, followManagement } from '#manage/management-client';
import { listenForTrace, type TraceListener } from '#manage/trace-recorder';
import { Milenage } from '#sip/auth/milenage';
import { openLmdbStore } from '#store/lmdb-store';
import { type Capture, hasCapture } from '../ipsec/capture.ts';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';
import { IpsecLab, until } from './ipsec-lab.ts';
import type { IpsecPhone } from './ipsec-phone.ts';
import { SecretSweep, sweepAway } from './secret-sweep.ts';

const skip = skipWithoutNamespaces('the search for keys in what IPsec flows put out');
const nodes = ['pcscf', 'icscf', 'scscf'] as const;

describe('the search for keys', () => {
  const key = 'fb3e00ff7f0a22c1d0e5f60718293a4b';
  const octets = Buffer.from(key, 'hex');
  const raw = octets.toString('latin1');
  const found = (content: Buffer | string) => {
    const sweep = new SecretSweep();
    sweep.add('x', content);
    return sweep.find([key]);
  };

  it.each([
    ['hexadecimal', `ik="${key}"`],
    ['hexadecimal', `IK ${key.toUpperCase()}.`],
    ['hexadecimal', `<Buffer ${key.match(/../g)!.join(' ')}>`],
    ['hexadecimal', `cut short: ${key.slice(0, 16)}`],
    ['base64', `"${octets.toString('base64')}"`],
    ['base64url', octets.toString('base64url')],
    ['base64', Buffer.concat([Buffer.from('a'), octets, Buffer.from('b')]).toString('base64')],
    ['base64', Buffer.concat([Buffer.from('ab'), octets]).toString('base64')],
    ['octets', Buffer.concat([Buffer.from('before'), octets, Buffer.from('after')])],
    ['octets as UTF-8', Buffer.from(`before${raw}`, 'utf8')],
    ['octets as JSON', Buffer.from(JSON.stringify({ raw }), 'latin1')],
    ['a list of numbers', JSON.stringify(octets)],
    ['a list of numbers', [...octets].join(', ')],
  ])('X-I15 a planted key is found: %s (%#)', (form, content) => {
    expect(found(content)).toContain(`x: ${form}`);
  });

  it('X-I15 it is found in files of any folder and in the records of a store, and other keys are not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-sweep-'));
    try {
      const store = await openLmdbStore({ path: join(folder, 'a/store'), tables: ['kept', 'other'] });
      store.put('kept', 'record', Buffer.concat([Buffer.from('x'), octets]), 0);
      store.commit();
      await store.close();
      appendFileSync(join(folder, 'node.log'), `{"msg":"${octets.toString('base64')}"}\n`);
      const sweep = new SecretSweep();
      await sweep.addFolder(folder);
      const places = sweep.find([key]);
      expect(places).toEqual(
        expect.arrayContaining([
          'a/store/data.mdb: octets',
          'a/store/data.mdb kept, 1 records: octets',
          'node.log: base64',
          'node.log: base64url',
        ]),
      );
      expect(places).toHaveLength(4);
      const other = `${'11'.repeat(4)}${key.slice(8, 16)}${'22'.repeat(4)}${key.slice(24)}`;
      expect(sweep.find([other])).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('X-I15 the end of a lab throws when a key that a phone has agreed on stands in one of its files', () => {
    const milenage = new Milenage(Buffer.alloc(16, 1), Buffer.alloc(16, 2));
    const rand = Buffer.alloc(16, 3);
    const { autn, ck } = milenage.generateVector(rand, 32, 0x8000);
    expect(new Usim(milenage).answer(rand, autn).kind).toBe('accepted');
    for (const [words, fails] of [
      ['nothing', false],
      [ck.toString('base64'), true],
    ] as const) {
      const folder = mkdtempSync(join(tmpdir(), 'cscf-sweep-'));
      appendFileSync(join(folder, 'node.log'), words);
      if (fails) expect(() => sweepAway(folder)).toThrow('CK or IK stands in node.log: base64');
      else sweepAway(folder);
      expect(existsSync(folder)).toBe(false);
    }
  });
});

describe.skipIf(skip)('what phones, nodes and the wire have of CK and IK', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-secrets-'));
  const events: string[] = [];
  const heard: string[] = [];
  const captures: Capture[] = [];
  let trace: TraceListener;
  let lab: IpsecLab;
  let alice: IpsecPhone;
  let bob: IpsecPhone;
  beforeAll(async () => {
    trace = await listenForTrace(join(folder, 'trace.sock'), (event) => events.push(JSON.stringify(event)));
    lab = await IpsecLab.start({
      ipsec: { storeKey: 'a-key-for-the-store-of-this-test' },
      auth: { reauthentication: { refreshes: 2 } },
      workers: 2,
      homeWorkers: 2,
      traceSocket: join(folder, 'trace.sock'),
    });
    for (const node of nodes) {
      const following = followManagement(join(lab.folder, `${node}.sock`), 'events.subscribe', {}, (told) =>
        heard.push(JSON.stringify(told)),
      );
      following.catch(() => {});
    }
    if (hasCapture) {
      for (const phone of ['alice', 'bob']) captures.push(await lab.rig.capture(phone, 'pcscf'));
    }
    alice = await lab.phone('alice', { kind: 'samsung' });
    // Without encryption: what the wire carries can be read.
    bob = await lab.phone('bob', { kind: 'minimal' });
  });
  afterAll(async () => {
    await lab?.stop();
    await trace?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('X-I15 X-I11 P-30 C-34 they stand in no message to a UE, no log, trace, answer to the operator, store or capture', async () => {
    const sweep = new SecretSweep();
    for (let i = 0; i < 2; i++) await alice.register();
    for (const phone of [alice, bob]) expect(await phone.ask('subscribe')).toBe(200);
    const call = await alice.ask('call', bob.setup.impu);
    expect(call).toMatchObject({ answered: true });
    for (const node of nodes) await addAnswers(sweep, lab, node);
    for (const method of ['hss.status', 'hss.findings', 'hss.list']) sweep.addJson(method, await lab.hss(method, {}));
    sweep.addJson('hss.show', await lab.hss('hss.show', { identity: alice.setup.impi }));
    expect(await alice.ask('hangUp')).toBe('us 200');
    expect(await bob.ask('message', alice.setup.impu, 'hello')).toMatchObject({ status: 200 });
    await until('the trace has the text', () => events.some((event) => event.includes('hello')));
    for (const capture of captures) await capture.stop();

    const keys = await lab.keys();
    // Three challenges: both phones' first ones, and one of the renewals.
    expect(new Set(keys).size).toBe(6);
    sweep.add('trace', events.join('\n'));
    sweep.add('events', heard.join('\n'));
    const outputs = await lab.outputs(captures);
    expect(heard).not.toEqual([]);
    expect([...outputs.find(keys), ...sweep.find(keys)]).toEqual([]);

    // What is no secret is found in all these places: they are looked at, and were written to.
    const name = [Buffer.from(bob.setup.impi.slice(0, 16)).toString('hex')];
    const places = [...sweep.find(name), ...outputs.find(name)];
    const wanted = [
      'trace: octets',
      ...['registrations.list', 'registrations.show', 'dialogs.list', 'log.recent'].map((method) => `pcscf ${method}`),
      'scscf registrations.show',
      'scscf dialogs.show',
      `to ${bob.setup.impi}: octets`,
      'pcscf.log: octets',
      'scscf.log: octets',
      ...(hasCapture ? ['the wire: octets'] : []),
    ];
    for (const place of wanted)
      expect(
        places.filter((found) => found.startsWith(place)),
        place,
      ).not.toEqual([]);
    for (const node of ['pcscf', 'scscf']) {
      const records = places.filter((place) => place.includes(node) && place.includes('records'));
      expect(records, node).not.toEqual([]);
    }
  });
});

/** What a node answers to an operator who asks for all that can be asked without changing anything. */
async function addAnswers(sweep: SecretSweep, { folder }: IpsecLab, node: string): Promise<void> {
  const ask = (method: string, params = {}) => callManagement(join(folder, `${node}.sock`), method, params);
  const { methods } = (await ask('rpc.discover')) as {
    methods: { name: string; params: { name: string; required: boolean }[] }[];
  };
  const rows = async (method: string) => {
    if (!methods.some(({ name }) => name === method)) return [];
    const answer = (await ask(method)) as { rows?: unknown[] } | unknown[];
    return (Array.isArray(answer) ? answer : (answer.rows ?? [])) as Record<string, string>[];
  };
  const registrations = await rows('registrations.list');
  const known: Record<string, (string | undefined)[]> = {
    id: registrations.map(({ id }) => id),
    callId: (await rows('dialogs.list')).map(({ callId }) => callId),
    host: (await rows('peers.list')).map(({ host }) => host),
  };
  for (const { name, params } of methods) {
    if (!/^status$|\.(list|show|get|explain|diff|info|recent)$/.test(name)) continue;
    const [needed, other] = params.filter(({ required }) => required);
    if (other !== undefined) continue;
    const all = needed === undefined ? [name === 'log.recent' ? { limit: 1000 } : {}] : known[needed.name];
    for (const given of all ?? []) {
      const asked = typeof given === 'string' ? { [needed!.name]: given } : given;
      sweep.addJson(`${node} ${name}`, await ask(name, asked));
    }
  }
}
