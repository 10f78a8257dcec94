import { afterEach, describe, expect, it } from 'vitest';
import type { ReAuthOrder } from '#lab/pcrf/bearer-orders';
import type { Binding } from '#nodes/pcscf/binding';
import { defaultMediaOptions } from '#nodes/pcscf/media-components';
import { pcscfTables } from '#nodes/pcscf/registrations';
import type { RxSide } from '#nodes/pcscf/rx';
import { RxRecords } from '#nodes/pcscf/rx-records';
import { defaultRxServiceOptions } from '#nodes/pcscf/rx-services';
import { SignallingSessions } from '#nodes/pcscf/signalling-session';
import { systemClock } from '#service/clock';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { openMemoryStore } from '#store/memory-store';
import { found, rule, running } from '../../lab/pcrf/pcrf-client.ts';
import {
  alice,
  coreRequest,
  granted,
  type PcscfWorker,
  registerText,
  scscf,
  tokenOf,
  type Ue,
  ue,
} from './pcscf-harness.ts';
import { established, forwarded, inside, type RxNetwork, type RxNetworkOptions, rxNetwork } from './rx-harness.ts';

let network: RxNetwork;
let worker: PcscfWorker;
const lab = running();
afterEach(async () => {
  await network.close();
  await lab.close();
  expect(worker.failures).toEqual([]);
  expect(found(network.pcrf)).toEqual([]);
});

async function start(options: RxNetworkOptions = {}) {
  network = await rxNetwork({ ...options, rx: { mode: 'required', signalling: true, ...options.rx } });
  worker = network.worker;
}

const session = () => network.pcrf.sessions.list()[0]!;
const rar = async (order: ReAuthOrder) => (await network.pcrf.orders.reAuth({ session: session().id }, order))[0]!;
const later = async () => {
  await new Promise((resolve) => setTimeout(resolve, 60));
  return worker.take();
};
const had = () => [network.had('AAR'), network.had('STR')];

let token = '';

/** Sends a REGISTER that the home network grants; gives what the UE gets, once it is there. */
async function register(from: Ue = alice, lines = granted(from)) {
  worker.receive(registerText(from), from.source);
  const request = forwarded(worker, 'REGISTER');
  token = tokenOf(request);
  worker.answer(request, 200, lines);
  return (await network.sent())[0]!;
}

describe('a registration', () => {
  it('P-121 D-70 opens a session about the signalling bearer, before the UE gets its 200', async () => {
    await start({ pcrf: { rules: [rule({ delay: 100 })] } });
    worker.receive(registerText(alice), alice.source);
    worker.answer(forwarded(worker, 'REGISTER'), 200, granted(alice));
    expect(worker.take()).toEqual([]);
    expect((await network.sent())[0]!.status).toBe(200);
    const { components, framedAddress, specificActions, subscriptionIds } = session();
    expect([...components.keys()]).toEqual([0]);
    const [sub] = components.get(0)!.subComponents;
    expect(sub).toMatchObject({ flowNumber: 0, flowUsage: 2, signallingProtocol: 1 });
    expect(framedAddress?.address).toBe('127.16.0.1');
    expect(specificActions).toEqual([2, 3, 4]);
    expect(subscriptionIds[0]!.data).toBe('sip:alice@ims.test');
  });

  it('P-122 that is refreshed asks nothing', async () => {
    await start();
    await register();
    await register();
    await later();
    expect(had()).toEqual([1, 0]);
  });

  it('P-122 P-56 that is made from another port is another one, and the session before it ends', async () => {
    await start();
    await register();
    await register(ue('alice', 'udp 127.16.0.1:5099'));
    await later();
    expect(had()).toEqual([2, 1]);
    expect(network.pcrf.sessions.size).toBe(1);
  });

  it('P-122 P-55 P-126 that is taken back ends the session', async () => {
    await start();
    await register();
    worker.receive(registerText(alice, [], `<sip:alice@${alice.address}>;expires=0`), alice.source);
    worker.answer(forwarded(worker, 'REGISTER'), 200, []);
    await later();
    expect(had()).toEqual([1, 1]);
  });

  it('P-122 P-57 P-126 that runs out ends it too', async () => {
    await start();
    await register(alice, granted(alice, 600));
    worker.advance(635_000);
    await later();
    expect(had()).toEqual([1, 1]);
  });

  it('P-121 required: without the consent of the PCRF the UE gets 503 with Retry-After, and is not registered', async () => {
    await start({ pcrf: { rules: [rule({ action: 'reject', reject: { code: 5065, experimental: true } })] } });
    const refusal = await register();
    expect(refusal.status).toBe(503);
    expect(refusal.header('Retry-After')).toBe('5');
    expect(refusal.header('Warning')).toContain('signalling-not-authorized');
    expect(worker.logic.registrations()).toBe(0);
    await later();
    expect(network.had('STR')).toBe(0);
  });

  it.each([true, false])(
    'P-121 optional: it stands without (a PCRF there: %s), and the next one tries again',
    async (isThere) => {
      const rules = [rule({ action: 'reject', reject: { code: 5065, experimental: true } })];
      await start({ rx: { mode: 'optional' }, pcrf: { rules }, ...(isThere ? {} : { nobodyAt: 1 }) });
      expect((await register()).status).toBe(200);
      await later();
      await register();
      await later();
      expect(network.had('AAR')).toBe(isThere ? 2 : 0);
      expect(worker.logic.registrations()).toBe(1);
      const reasons = worker.logged
        .filter(({ level }) => level === 'warn')
        .map(({ fields }) => (fields as { reason: string }).reason);
      expect(new Set(reasons)).toEqual(new Set(['rx-not-granted']));
    },
  );

  it('P-121 opens none where rx.signalling says no', async () => {
    await start({ rx: { signalling: false } });
    await register();
    await later();
    expect(had()).toEqual([0, 0]);
  });
});

/** What comes of a call to alice. */
function terminating() {
  const lines = [`Route: <sip:${token}@127.0.8.1:5060;lr>`, 'Record-Route: <sip:mt@127.0.8.3:6060;lr>'];
  worker.receive(coreRequest('INVITE', `sip:alice@${alice.address}`, lines), scscf);
  return worker.take().filter(({ status }) => status !== 100)[0]!;
}

describe('what the PCRF tells of the signalling bearer', () => {
  it('P-95 P-127 loss of bearer: calls to the UE are refused with 480 until it is back', async () => {
    await start();
    await register();
    expect(await rar({ actions: ['loss'] })).toMatchObject({ done: true, code: 2001 });
    await later();
    expect(terminating()).toMatchObject({ status: 480 });
    expect(worker.refusals).toContain('signalling-bearer-lost');
    await rar({ actions: ['recovery'] });
    await later();
    expect(terminating()).toMatchObject({ method: 'INVITE' });
  });

  it('P-95 the next REGISTER ends it as well', async () => {
    await start();
    await register();
    await rar({ actions: ['loss'] });
    await later();
    await register();
    expect(terminating()).toMatchObject({ method: 'INVITE' });
  });

  it('P-128 an ASR ends the calls of the UE and has it unreachable; the STR comes once', async () => {
    await start();
    await register();
    const signalling = session().id;
    const call_ = await established(network);
    expect(network.pcrf.sessions.size).toBe(2);
    const [outcome] = await network.pcrf.orders.abort({ session: signalling }, 'bearer-released');
    expect(outcome).toMatchObject({ done: true, code: 2001, terminated: true });
    const sent = await later();
    // Nothing is sent to a UE that cannot hear it.
    expect(sent.map(({ method, to }) => `${method} ${to}`)).toEqual(['BYE udp 127.0.8.3:6060']);
    expect(network.had('STR')).toBe(2);
    expect(terminating()).toMatchObject({ status: 480 });
    inside(worker, call_, 'BYE');
    expect(worker.take().map(({ status }) => status)).toEqual([200]);
  });

  it('P-127 release of the bearer is the same, the session stays for the UE to come back', async () => {
    await start();
    await register();
    await rar({ actions: ['release'] });
    await later();
    expect(terminating()).toMatchObject({ status: 480 });
    expect(network.had('STR')).toBe(0);
  });
});

describe('after a restart', () => {
  it('P-129 the sessions of the run before are ended, and those of registrations that live are made anew', async () => {
    const store = openMemoryStore(pcscfTables);
    const pcrf = await lab.pcrf({ name: 'pcrf.ims.test', realm: 'ims.test', enforce: true });
    await start({ store, running: pcrf });
    await register();
    await established(network);
    worker.advance(300);
    const left = pcrf.sessions.list().map(({ id }) => id);
    expect(left.length).toBe(2);
    await network.close();
    await start({ store, running: pcrf, bootSeconds: 1_800_000_100 });
    worker.advance(200);
    await network.until('both are ended', () => pcrf.sessions.list().every(({ id }) => !left.includes(id)));
    await network.until('one is made anew', () => pcrf.sessions.size === 1);
    expect([...session().components.keys()]).toEqual([0]);
    expect(had()).toEqual([3, 2]);
    worker.advance(300);
    expect(store.count('rx-sessions')).toBe(1);
    expect(worker.logged).toContainEqual({
      level: 'info',
      fields: { reason: 'rx-left-over', sessions: 2 },
      message: 'ended what was left of the run before',
    });
  });

  it('P-129 sessions wait to be ended until a PCRF is there', async () => {
    const store = openMemoryStore(pcscfTables);
    const pcrf = await lab.pcrf({ name: 'pcrf.ims.test', realm: 'ims.test', enforce: true });
    await start({ store, running: pcrf, rx: { signalling: false } });
    await established(network);
    worker.advance(300);
    await network.close();
    await start({ store, running: pcrf, nobodyAt: 1, bootSeconds: 1_800_000_100 });
    worker.advance(5000);
    await later();
    expect(store.count('rx-sessions')).toBe(1);
    await network.close();
    await start({ store, running: pcrf, bootSeconds: 1_800_000_200 });
    worker.advance(200);
    await network.until('it is ended', () => pcrf.sessions.size === 0);
  });

  it('P-129 what is ended in time is not written down', async () => {
    const store = openMemoryStore(pcscfTables);
    await start({ store, rx: { signalling: false } });
    const call_ = await established(network);
    worker.advance(300);
    expect(store.count('rx-sessions')).toBe(1);
    inside(worker, call_, 'BYE');
    await later();
    worker.advance(300);
    expect(store.count('rx-sessions')).toBe(0);
  });
});

describe('bindings that several workers serve', () => {
  const binding = (port: number, more: Partial<Binding> = {}): Binding => ({
    token: 'token1',
    impi: 'alice@ims.test',
    aor: 'sip:alice@ims.test',
    identities: [{ uri: 'sip:alice@ims.test', key: 'sip:alice@ims.test' }],
    contacts: [],
    serviceRoute: [],
    flow: { listener: 0, transport: 'udp', address: '127.16.0.1', port, connection: 0 },
    outbound: false,
    home: 'ims.test',
    callId: '1',
    icid: '1',
    termIoi: '',
    chargingFunctions: '',
    association: '',
    boundAtMs: 0,
    expiresAtMs: 3_600_000,
    ...more,
  });

  /** Signalling sessions of two workers with one store, each with a connection of its own to a PCRF. */
  async function pair() {
    await start();
    const pcrf = await lab.pcrf({ enforce: true });
    const store = openMemoryStore(pcscfTables);
    const told: [number, string][] = [];
    const sides = [];
    for (const worker of [0, 1]) {
      const { rx, sessions } = await lab.pcscf(pcrf.port, `worker${worker}.ims.test`);
      const wheel = new TimerWheel(
        () => 0,
        () => {},
      );
      const side: RxSide = {
        client: rx,
        sessions,
        records: new RxRecords(store, wheel),
        service: defaultRxServiceOptions,
        media: defaultMediaOptions,
        tellsOffers: false,
        modeOf: () => 'optional',
        policyOf: (mode) => ({ mode }),
        report: () => {},
      };
      sides.push(
        new SignallingSessions({
          rx: side,
          store,
          volatile: store,
          clock: systemClock,
          worker,
          isThere: (number) => number < 2,
          listeners: [],
          binding: () => binding(5098),
          tell: (to, word) => told.push([to, word]),
          marked: () => {},
          bearerGone: () => {},
          log: { info: () => {} },
        }),
      );
    }
    return { zero: sides[0]!, one: sides[1]!, told, pcrf };
  }

  it('P-122 have one session, whichever worker they are refreshed by and taken back by', async () => {
    const { one, pcrf, told, zero } = await pair();
    const has = (name: string) => pcrf.counters().requests[name];
    expect(await zero.bound(binding(5070))).toMatchObject({ granted: true });
    expect(one.bound(binding(5070))).toBeNull();
    expect(told).toEqual([]);
    expect(one.bound(binding(5098))).toBeNull();
    expect(told.map(([to]) => to)).toEqual([0]);
    expect(zero.hear(told.pop()![1])).toBe(true);
    await network.until('the same session is told', () => has('AAR') === 2);
    expect(pcrf.sessions.size).toBe(1);
    one.unbound('token1');
    expect(zero.hear(told.pop()![1])).toBe(true);
    expect(zero.hear('something else')).toBe(false);
    await network.until('it is ended', () => has('STR') === 1);
    expect([zero.size, one.size]).toEqual([0, 0]);
    expect(found(pcrf)).toEqual([]);
  });

  it('P-122 from another port it is the same session with another AAR', async () => {
    const { pcrf, zero } = await pair();
    await zero.bound(binding(5070));
    const told = () => pcrf.sessions.list()[0]!;
    const { id } = told();
    expect(zero.bound(binding(5070))).toBeNull();
    await zero.bound(binding(5098));
    expect([told().id, told().requests]).toEqual([id, 2]);
  });
});
