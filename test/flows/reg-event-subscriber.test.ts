import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrderOutcome } from '#lab/hss/server-orders';
import { callManagement } from '#manage/management-client';
import { ResilientLab, until } from './resilient-lab.ts';

let lab: ResilientLab;
beforeAll(async () => {
  lab = await ResilientLab.start({
    workers: 2,
    reader: 'dedicated',
  });
}, 30_000);
afterAll(() => lab?.stop());

/** Bindings of the P-CSCF. */
const registered = async () => (await lab.status('pcscf')).registrations;

const end = (user: string) =>
  callManagement(join(lab.folder, 'hss.sock'), 'hss.rtr', {
    impi: `${user}@ims.test`,
    reason: 'permanent',
  }) as Promise<OrderOutcome>;

const ended = () => readFileSync(join(lab.folder, 'pcscf.log'), 'utf8').split('the home network has ended').length - 1;

describe('a P-CSCF that watches registrations', () => {
  it('P-60 P-62 P-63 hears from the S-CSCF that the HSS has ended one, and the other one stands', async () => {
    await until('both are registered', async () => (await registered()) === 2);
    // Within a second of the registration it subscribes.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await end('alice')).toMatchObject({ done: true, code: 2001 });
    await until('the P-CSCF has heard of it', async () => (await registered()) === 1);
    expect(ended()).toBe(1);
    const call = lab.alice.ue.call(lab.bob.ue.impu);
    expect(await call.answered).toMatchObject({ status: 403 });
  }, 20_000);

  it('P-60 P-62 does so after it was killed and has started anew, in whatever worker', async () => {
    await lab.alice.register();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await lab.kill('pcscf');
    await lab.startNode('pcscf');
    await until('both are registered', async () => (await registered()) === 2);
    await end('alice');
    await end('bob');
    await until('the P-CSCF has heard of both', async () => (await registered()) === 0);
  }, 30_000);
});
