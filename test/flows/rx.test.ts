import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Pcrf } from '#lab/pcrf/pcrf';
import { callManagement } from '#manage/management-client';
import { found, running } from '../lab/pcrf/pcrf-client.ts';
import { capture, diameterMessages, noCapture } from './loopback-capture.ts';
import { ResilientLab, sleep, until } from './resilient-lab.ts';

const open = running();
let lab: ResilientLab | undefined;
let pcrf: Pcrf;

afterEach(async () => {
  await lab?.stop();
  lab = undefined;
  await open.close();
});

/** The lab with a P-CSCF that asks a PCRF which enforces TS 29.214. */
async function start(rx: object, workers = 1): Promise<ResilientLab> {
  pcrf = await open.pcrf({ name: 'pcrf.ims.test', realm: 'ims.test', enforce: true });
  lab = await ResilientLab.start({ workers, pcscf: { rx, diameter: peersAt(pcrf.port) } });
  return lab;
}

const peersAt = (port: number) => ({
  reconnect: 0.2,
  peers: [{ host: 'pcrf.ims.test', address: '127.0.0.1', port }],
});
const had = (name: string) => pcrf.counters().requests[name] ?? 0;
const media = () => pcrf.sessions.list().filter(({ components }) => components.has(1));
const capturing = noCapture();

describe('a P-CSCF with a PCRF, over real sockets', () => {
  it.each([1, 2])(
    'P-121 P-123 P-126 each side of a call has its session, with %i workers',
    async (workers) => {
      const { alice, bob } = await start({ mode: 'required' }, workers);
      await until('both registrations have theirs', () => pcrf.sessions.size === 2);
      const pair = await lab!.call(alice, bob);
      expect(media().length).toBe(2);
      expect(
        media()
          .map(({ subscriptionIds }) => subscriptionIds[0]!.data)
          .sort(),
      ).toEqual([alice.ue.impu, bob.ue.impu].sort());
      await lab!.release(pair);
      await until('those of the call are ended', () => pcrf.sessions.size === 2);
      expect([had('AAR'), had('STR')]).toEqual([4, 2]);
      await alice.ue.deregister();
      await bob.ue.deregister();
      await until('those of the registrations are too', () => pcrf.sessions.size === 0);
      expect([had('AAR'), had('STR')]).toEqual([4, 4]);
      expect(found(pcrf)).toEqual([]);
    },
    60_000,
  );

  it('P-120 asks from the next call on when rx.mode is turned on while it runs, and no more when it is off again', async () => {
    const { alice, bob, folder } = await start({ mode: 'off', signalling: false });
    const turn = (mode: string) =>
      callManagement(join(folder, 'pcscf.sock'), 'config.set', { values: { 'rx.mode': mode } });
    const asked = async () => {
      const before = had('AAR');
      await lab!.release(await lab!.call(alice, bob));
      return had('AAR') - before;
    };
    expect(await asked()).toBe(0);
    expect(await turn('required')).toMatchObject({ applied: ['rx.mode'] });
    expect(await asked()).toBe(2);
    await turn('off');
    expect(await asked()).toBe(0);
  }, 60_000);

  it('P-127 P-128 P-112 RAR and ASR on command release calls on both sides', async () => {
    const { alice, bob } = await start({ mode: 'required' });
    const orders = {
      asr: (session: string) => pcrf.orders.abort({ session }, 'bearer-released'),
      rar: (session: string) => pcrf.orders.reAuth({ session }, { actions: ['release'] }),
    };
    for (const order of [orders.asr, orders.rar]) {
      const { into, out } = await lab!.call(alice, bob);
      const [outcome] = await order(media()[0]!.id);
      expect(outcome).toMatchObject({ done: true, code: 2001, findings: [] });
      expect([(await out.ended).by, (await into.ended).by]).toEqual(['them', 'them']);
      await until('both sessions are ended', () => media().length === 0);
    }
    expect(had('STR')).toBe(4);
    expect(found(pcrf)).toEqual([]);
  }, 60_000);

  it('P-129 what a P-CSCF that was killed has left is ended by the next, and registrations are watched again', async () => {
    const { alice, bob } = await start({ mode: 'required' });
    await lab!.call(alice, bob);
    expect(pcrf.sessions.size).toBe(4);
    const before = pcrf.sessions.list().map(({ id }) => id);
    // What began a quarter of a second ago is written down.
    await sleep(500);
    await lab!.kill('pcscf');
    await lab!.startNode('pcscf');
    await until('all of them are ended', () => pcrf.sessions.list().every(({ id }) => !before.includes(id)), 20_000);
    await until('the registrations have new ones', () => pcrf.sessions.size === 2);
    expect(had('STR')).toBe(4);
    await lab!.release(await lab!.call(alice, bob));
  }, 60_000);

  it.skipIf(capturing !== null)(
    `P-123 P-121 tshark finds nothing malformed in it${capturing === null ? '' : `: ${capturing}`}`,
    async () => {
      const { alice, bob, folder } = await start({
        mode: 'required',
        report: ['charging', 'ip-can', 'location'],
        describeSignalling: true,
        requestType: true,
        features: 3,
        calledStationId: 'ims',
      });
      const file = join(folder, 'rx.pcap');
      await capture(file, [pcrf.port], async () => {
        const pair = await lab!.call(alice, bob);
        await pcrf.orders.reAuth(
          { session: pcrf.sessions.list().at(-1)!.id },
          { actions: ['charging'], chargingIdentifier: 'a' },
        );
        await lab!.release(pair);
        await until('the sessions of the call are ended', () => pcrf.sessions.size === 2);
      });
      // AAR, AAA, STR and STA of two sides, RAR and RAA.
      expect(diameterMessages(file, [pcrf.port], 'diameter.cmd.code != 280').length).toBe(10);
      expect(diameterMessages(file, [pcrf.port], '_ws.malformed || diameter.avp.invalid-data')).toEqual([]);
      expect(found(pcrf)).toEqual([]);
    },
    60_000,
  );

  it('P-120 P-125 X-R6 optional: without a PCRF calls go on, and the log says so', async () => {
    lab = await ResilientLab.start({ workers: 1, pcscf: { rx: { mode: 'optional' }, diameter: peersAt(1) } });
    await lab.callBothWays();
    const lines = lab
      .log('pcscf')
      .split('\n')
      .filter((line) => line.includes('rx-not-granted'));
    expect(lines[0]).toContain('no consent of a PCRF: goes on without quality of service');
    expect(lines[0]).toContain('no peer is connected');
    // Three lines of a kind in ten seconds, however many calls there are.
    expect(lines.length).toBeLessThanOrEqual(3);
  }, 60_000);

  it('P-125 X-R6 required: without a PCRF a call is refused with 503, and with it again it is not', async () => {
    await start({ mode: 'required', signalling: false });
    const { port } = pcrf;
    await pcrf.close();
    const refused = await lab!.alice.ue.call(lab!.bob.ue.impu).answered;
    expect(refused).toMatchObject({ by: 'refused' });
    expect((refused as { status: number }).status).toBeGreaterThanOrEqual(500);
    pcrf = await open.pcrf({
      name: 'pcrf.ims.test',
      realm: 'ims.test',
      enforce: true,
      listen: { transport: 'tcp', address: '127.0.0.1', port },
    });
    await until(
      'the P-CSCF is connected again',
      () => pcrf.peers().some(({ state }) => state.startsWith('open')),
      20_000,
    );
    await lab!.callBothWays();
    await until('all is ended', () => pcrf.sessions.size === 0);
    expect(found(pcrf)).toEqual([]);
  }, 60_000);
});
