import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callManagement } from '#manage/management-client';
import type { ReloadReport } from '#service/config/live-config';
import { freePort } from '../free-port.ts';
import { callAndRelease, type LabPhone, TransportLab } from './transport-lab.ts';

type Role = 'pcscf' | 'icscf' | 'scscf';
type Content = Record<string, unknown> & {
  listeners: Record<string, string[]>;
  diameter: Record<string, unknown>;
  scscfs: unknown[];
};

/** `CSCF_RELOAD_SECONDS=60` for a longer run. */
const seconds = Number(process.env.CSCF_RELOAD_SECONDS ?? 10);
const everyMs = 2_000;

const roles = ['pcscf', 'icscf', 'scscf'] as const;
const originals = new Map<Role, string>();

let lab: TransportLab;
beforeAll(async () => {
  lab = await TransportLab.start({
    change(contents) {
      contents.pcscf.workers = 2;
      for (const role of roles) contents[role].drain = 1;
    },
  });
  for (const role of roles) originals.set(role, readFileSync(lab.config.files[role], 'utf8'));
}, 30_000);
afterAll(() => lab?.stop());

/** Does something again and again until the time is over; gives how often, and what went wrong. */
async function keepOn(work: () => Promise<void>, faults: string[]): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let count = 0;
  while (performance.now() < endMs) {
    await work().catch((error: unknown) => faults.push(String(error)));
    count++;
  }
  return count;
}

async function registerOnce({ ue }: LabPhone): Promise<void> {
  const outcome = await ue.register();
  if (!outcome.registered) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
}

it(
  `X-R12 loses nothing while three nodes get another configuration every ${everyMs / 1000} s, and now and then a broken one`,
  async () => {
    const port = await freePort();
    const rewrite = (role: Role, change: (content: Content) => void): Promise<ReloadReport> => {
      const content = JSON.parse(originals.get(role)!) as Content;
      change(content);
      writeFileSync(lab.config.files[role], JSON.stringify(content));
      return callManagement(join(lab.folder, `${role}.sock`), 'config.reload', {}) as Promise<ReloadReport>;
    };
    /** Something of everything that is live, there in every other round. */
    const reloadAll = (round: number) => {
      const isOdd = round % 2 === 1;
      return Promise.all([
        rewrite('pcscf', (content) => {
          content.timers = { t2: isOdd ? 3_000 : 4_000 };
          content.access = [
            { from: isOdd ? '127.0.0.0/8' : '0.0.0.0/0', security: 'none' },
            { from: '::/0', security: 'none' },
          ];
          if (isOdd) content.listeners.gm!.push(`udp:127.0.0.1:${port}`, `tcp:127.0.0.1:${port}`);
        }),
        rewrite('icscf', (content) => {
          content.trusted = isOdd ? ['127.0.0.0/8'] : ['127.0.0.0/8', '10.0.0.0/8'];
          content.limits = { streams: { connections: isOdd ? 500 : 600 } };
          const other = { host: 'hss9.ims.test', address: '127.0.0.1', port: 9 };
          if (isOdd) (content.diameter.peers as unknown[]).push(other);
        }),
        rewrite('scscf', (content) => {
          content.timers = { t2: isOdd ? 3_000 : 4_000 };
          content.diameter.timeout = isOdd ? 4 : 5;
          content.log = { level: isOdd ? 'warn' : 'info' };
        }),
      ]);
    };

    // As it was in the beginning, also after a first try.
    await Promise.all(roles.map((role) => rewrite(role, () => {})));
    const phones = await Promise.all(Array.from({ length: 8 }, (_, i) => lab.phone(i + 1)));
    const faults: string[] = [];
    const reports: ReloadReport[] = [];
    let rounds = 0;
    const timer = setInterval(async () => {
      const round = ++rounds;
      try {
        if (round % 3 === 0) {
          const broken = await rewrite('icscf', (content) => {
            content.timers = { t1: 'soon' };
            content.trusted = [];
          });
          if (broken.rejected.length !== 1 || broken.applied.length > 0) faults.push('a broken file was taken');
        }
        reports.push(...(await reloadAll(round)));
      } catch (error) {
        faults.push(String(error));
      }
    }, everyMs);
    const [callers, others] = [phones.slice(0, 4), phones.slice(4)];
    const counts = await Promise.all([
      keepOn(() => callAndRelease(callers[0]!, callers[1]!), faults),
      keepOn(() => callAndRelease(callers[2]!, callers[3]!), faults),
      ...others.map((phone) => keepOn(() => registerOnce(phone), faults)),
    ]);
    clearInterval(timer);
    expect(faults).toEqual([]);
    expect(Math.min(...counts)).toBeGreaterThan(20);
    expect(reports.length).toBeGreaterThanOrEqual(9);
    for (const { rejected, needsRestart, applied } of reports) {
      expect({ rejected, needsRestart }).toEqual({ rejected: [], needsRestart: [] });
      expect(applied.length).toBeGreaterThan(0);
    }
    for (const role of roles) expect(lab.log(role)).not.toMatch(/"reason":"(?:internal|worker-crashed|reload-failed)"/);
  },
  50_000 + seconds * 1000,
);
