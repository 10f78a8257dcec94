import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResilientLab } from './resilient-lab.ts';

let lab: ResilientLab;
beforeAll(async () => {
  lab = await ResilientLab.start({ workers: 1 });
}, 30_000);
afterAll(() => lab.stop());

/** The S-CSCF starts anew without what it had stored. */
async function loseState(): Promise<void> {
  await lab.kill('scscf');
  rmSync(join(lab.folder, 'scscf'), { recursive: true });
  await lab.startNode('scscf');
}

describe('an S-CSCF that has lost its registrations', () => {
  it('S-83 answers 504, and serves who registers anew', async () => {
    await loseState();
    const call = lab.alice.ue.call(lab.bob.ue.impu);
    expect(await call.answered).toMatchObject({ status: 504 });
    await lab.alice.register();
    await lab.bob.register();
    await lab.callBothWays();
  }, 30_000);

  it('S-83 S-21 has them back from an HSS that keeps them: calls go on as if nothing had been', async () => {
    const file = lab.config.files.scscf;
    const config = JSON.parse(readFileSync(file, 'utf8')) as { diameter: { cx?: object } };
    config.diameter.cx = { ...config.diameter.cx, announce: ['ims-restoration'] };
    writeFileSync(file, JSON.stringify(config));
    await loseState();
    await lab.alice.register();
    await lab.bob.register();
    await lab.callBothWays();
    await loseState();
    await lab.callBothWays();
    await loseState();
    await lab.release(await lab.call(lab.bob, lab.alice));
    expect(lab.log('scscf')).toContain('was restored from the HSS');
  }, 30_000);
});
