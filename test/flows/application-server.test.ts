import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApplicationServer } from '#lab/as/application-server';
import { type Criterion, criteriaXml } from '../nodes/scscf/service-profiles.ts';
import { ResilientLab } from './resilient-lab.ts';

/** HSS, three CSCFs and an application server over real sockets. */
describe('an application server', () => {
  let lab: ResilientLab;
  let server: ApplicationServer;
  const seen: string[] = [];

  /** Gives every subscriber these filter criteria, and registers both phones anew. */
  async function serve(...criteria: Criterion[]): Promise<void> {
    const { config } = lab;
    for (const { ue } of [lab.alice, lab.bob]) await ue.deregister();
    await lab.kill('hss');
    const template = readFileSync(new URL('../../config/profiles/default.xml', import.meta.url), 'utf8');
    const file = join(lab.folder, 'services.xml');
    writeFileSync(file, template.replace('</ServiceProfile>', `${criteriaXml(criteria)}</ServiceProfile>`));
    const hss = JSON.parse(readFileSync(config.files.hss, 'utf8')) as { subscribers: object[] };
    const subscribers = hss.subscribers.map((each) => ({ ...each, profile: 'served' }));
    writeFileSync(config.files.hss, JSON.stringify({ ...hss, subscribers, profiles: { served: file } }));
    await lab.startNode('hss');
    await Promise.all([lab.connected('icscf'), lab.connected('scscf')]);
    await lab.alice.register();
    await lab.bob.register();
    seen.length = 0;
  }

  const at = (user: string) => `sip:${user}@127.0.0.1:${server.port}`;
  /** Different requests of a method; one that was sent again on a busy machine counts once. */
  const word = (name: string) => new Set(seen.filter((text) => text.startsWith(`${name} `))).size;

  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 2 });
    const { address, ports, domain } = lab.config;
    server = await ApplicationServer.open({
      address,
      port: 0,
      home: domain,
      scscf: { address, port: ports.scscf },
      trace: {
        sip(dir, text) {
          if (dir === 'in') seen.push(text);
        },
        diameter() {},
      },
    });
  }, 40_000);
  afterAll(async () => {
    await server?.close();
    await lab?.stop();
  });

  test.each(['proxy', 'b2bua'])(
    'S-94 S-95 S-86 %s: serves the caller and the called user of a call, and its BYE',
    async (user) => {
      await serve({ server: at(user), cases: [0] }, { server: at(user), cases: [1] });
      for (const [from, to] of [
        [lab.alice, lab.bob],
        [lab.bob, lab.alice],
      ] as const) {
        const out = from.ue.call(to.ue.impu);
        expect(await out.answered).toBe(true);
        // The Call-ID is another one behind a back-to-back user agent.
        const into = to.calls.at(-1)!;
        expect(await into.answered).toBe(true);
        await lab.release({ out, into });
      }
      expect(word('INVITE')).toBe(4);
      expect(word('BYE')).toBe(4);
      const invites = new Set(seen.filter((text) => text.startsWith('INVITE ')));
      expect([...invites].filter((text) => text.includes('sescase=orig;regstate=reg'))).toHaveLength(2);
    },
    60_000,
  );

  test('S-97 silent with SESSION_CONTINUED: the call is made all the same, in under 2.5 seconds', async () => {
    await serve({ server: at('silent'), cases: [0] });
    const startMs = performance.now();
    const pair = await lab.call(lab.alice, lab.bob);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(1900);
    expect(tookMs).toBeLessThan(2500);
    await lab.release(pair);
  }, 60_000);

  test('S-97 silent with SESSION_TERMINATED: the caller gets 408', async () => {
    await serve({ server: at('silent'), cases: [0], terminated: true });
    const call = lab.alice.ue.call(lab.bob.ue.impu);
    expect(await call.answered).toMatchObject({ status: 408 });
  }, 60_000);
});
