import { expect, test } from 'vitest';
import { hasOpenssl } from '#lab/network/certificates';
import { ResilientLab } from '../flows/resilient-lab.ts';
import { runLoad } from './load-command.ts';

/** Registrations, calls and messages, at a rate that any machine stands. */
const few = ['--procedure', 'mix', '--rate', '20', '--warmup', '0', '--users', '60'];

const transports = ['udp', 'tcp', ...(hasOpenssl() ? ['tls'] : [])];
if (transports.length < 3)
  console.log('openssl is not there (Debian: openssl): phones of the load driver do not try tls');

test.each(transports)(
  'phones of the load driver register, call and write by %s, and nothing fails',
  async (transport) => {
    const { exitCode, report, progress } = await runLoad(...few, '--seconds', '5', '--transport', transport);
    expect(exitCode, progress).toBe(0);
    const { kinds, nodes, failed, oddities } = report!;
    expect(failed).toBe(0);
    expect(oddities).toEqual({});
    for (const kind of ['renewal', 'call', 'release', 'message'] as const) {
      expect(kinds[kind]!.completed).toBeGreaterThan(5);
      expect(kinds[kind]!.failures).toEqual({});
      expect(kinds[kind]!.p50Ms).toBeGreaterThan(0);
    }
    expect(kinds.release!.completed).toBe(kinds.call!.completed);
    for (const role of ['pcscf', 'icscf', 'scscf'] as const) {
      expect(nodes[role].usPerProcedure).toBeGreaterThan(0);
      expect(nodes[role].rssBytes).toBeGreaterThan(1e7);
      expect(nodes[role].workers[0]!.messages).toBeGreaterThan(report!.completed);
    }
  },
  30_000,
);

test('the load driver uses nodes that run, whose users have passwords, and sees the share of each worker', async () => {
  const lab = await ResilientLab.start({ workers: 2, reader: 'dedicated' });
  try {
    const { exitCode, report, progress } = await runLoad(...few, '--seconds', '3', '--attach', lab.folder);
    expect(exitCode, progress).toBe(0);
    const { workers } = report!.nodes.pcscf;
    expect(workers).toHaveLength(2);
    expect(workers.every(({ share }) => share > 0.1)).toBe(true);
  } finally {
    await lab.stop();
  }
}, 30_000);

test('without a network to load, the load driver says why and ends with 1', async () => {
  const { exitCode, report, progress } = await runLoad('--attach', '/nonexistent');
  expect(exitCode).toBe(1);
  expect(report).toBeUndefined();
  expect(progress).toContain('/nonexistent/pcscf.yaml');
});

test.each([
  ['--rate', '0'],
  ['--seconds', 'ten'],
  ['--seconds', '1', '--seconds', '2'],
  ['--flood-rate', 'much'],
  ['--users', '1'],
])('the load driver does not take %s %s', async (...options) => {
  const { exitCode, progress } = await runLoad(...options);
  expect(exitCode).toBe(1);
  expect(progress).toContain(`${options[0]} `);
});
