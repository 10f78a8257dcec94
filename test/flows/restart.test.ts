import { expect, it } from 'vitest';
import { runRestarts } from '../chaos/restart-run.ts';

const load = {
  users: 400,
  registrations: 40,
  calls: 10,
  messages: 10,
  holdMs: 3_000,
  t1Ms: 125,
  workers: 1,
  seed: 11,
  seconds: 1.5,
  roles: ['pcscf', 'icscf', 'scscf'],
  sweep: true,
} as const;
/** Generous: the machine of a test run has other things to do. `npm run chaos:restart` measures. */
const readyMs = 10_000;

it.each([
  ['kill -9', 'kill'],
  ['SIGTERM, as for another version,', 'drain'],
] as const)(
  'X-R2 X-R15 %s of each node under load loses no registration and no confirmed call, and every phone is reached',
  async (_words, how) => {
    const said: string[] = [];
    const report = await runRestarts({ ...load, how }, (line) => said.push(line));
    expect(
      report.restarts.flatMap(({ lostRegistrations }) => lostRegistrations),
      said.join('\n'),
    ).toEqual([]);
    expect(report.calls.lost).toEqual([]);
    expect(report.calls.confirmed).toBeGreaterThan(10);
    expect(report.calls.ended).toBe(report.calls.confirmed);
    for (const { role, readyMs: took, registrations } of report.restarts) {
      expect(took, role).toBeLessThan(readyMs);
      expect(registrations, role).toBe(role === 'icscf' ? 0 : load.users);
    }
  },
  120_000,
);
