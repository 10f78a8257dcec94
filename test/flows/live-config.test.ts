import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TransportLab } from './transport-lab.ts';

let lab: TransportLab;
beforeAll(async () => {
  lab = await TransportLab.start();
}, 30_000);
afterAll(() => lab?.stop());

/** Rewrites a configuration file and has the daemon read it. */
async function rewrite(role: 'pcscf' | 'icscf' | 'scscf', change: (content: Record<string, unknown>) => void) {
  const file = lab.config.files[role];
  const content = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  change(content);
  writeFileSync(file, JSON.stringify(content));
  await reload(role);
}

async function reload(role: 'pcscf' | 'icscf' | 'scscf') {
  const before = lab.log(role).length;
  process.kill(lab.pid(role), 'SIGHUP');
  await expect.poll(() => lab.log(role).slice(before)).toMatch(/configuration reloaded|as before|config-rejected/);
  return lab.log(role).slice(before);
}

describe('SIGHUP at running nodes', () => {
  it('takes over who is trusted, where the home network is, which S-CSCF serves and which media pass, without a restart', async () => {
    const [alice, bob] = [await lab.phone(1), await lab.phone(2)];
    const pid = lab.pid('icscf');

    await rewrite('icscf', (content) => (content.trusted = ['10.99.0.0/16']));
    expect(await alice.ue.register()).toMatchObject({ status: 403 });
    await rewrite('icscf', (content) => (content.trusted = ['127.0.0.0/8']));
    expect((await alice.ue.register()).registered).toBe(true);

    const { scscfs } = JSON.parse(readFileSync(lab.config.files.icscf, 'utf8')) as { scscfs: unknown };
    await rewrite('icscf', (content) => (content.scscfs = [{ uri: 'sip:127.0.0.1:9' }]));
    const stranger = await lab.open(3);
    expect(await stranger.ue.register()).toMatchObject({ status: 504 });
    await rewrite('icscf', (content) => (content.scscfs = scscfs));
    expect((await stranger.ue.register()).registered).toBe(true);

    await rewrite('pcscf', (content) => (content.policy = { media: { types: ['video'] } }));
    expect(await alice.ue.call(bob.ue.impu).answered).toMatchObject({ status: 488 });
    await rewrite('pcscf', (content) => delete content.policy);
    const call = alice.ue.call(bob.ue.impu);
    expect(await call.answered).toBe(true);
    call.hangUp();
    await call.ended;
    expect(lab.pid('icscf')).toBe(pid);
  }, 30_000);

  it('with a mistake in the file changes nothing, and the log says where it is', async () => {
    const file = lab.config.files.scscf;
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace('"auth"', '"auht"'));
    const said = await reload('scscf');
    writeFileSync(file, good);
    expect(said).toMatch(/"reason":"config-rejected".*did you mean auth\?/);
    expect(await reload('scscf')).toContain('the configuration is as before');
    expect((await (await lab.open(4)).ue.register()).registered).toBe(true);
  }, 30_000);
});
