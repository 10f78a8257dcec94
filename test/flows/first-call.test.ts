import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { LadderMessage } from '#manage/ladder';
import { readReport, runLab } from './lab-run.ts';

/** The hops of a message; one that was sent again on a busy machine counts once. */
function between(messages: readonly LadderMessage[], label: string): string[] {
  const hops = new Map<string, string>();
  for (const { from, to, text, shortLabel } of messages) {
    if (shortLabel === label) hops.set(`${from} ${to} ${text}`, `${from} > ${to}`);
  }
  return [...hops.values()];
}

test('lab up --once registers two phones, makes a call and sends a message through three CSCFs and the HSS', async () => {
  const run = await runLab('--json');
  expect(run.exitCode, run.stderr + run.stdout).toBe(0);
  const report = readReport(run.stdout);
  expect(report.ok).toBe(true);
  expect(report.seconds).toBeLessThan(60);
  expect(report.steps.map((step) => `${step.step}: ${step.ok}`)).toEqual([
    'alice registers: true',
    'bob registers: true',
    'alice calls bob: true',
    'alice sends bob a message: true',
  ]);

  const [alice, bob, call, message] = report.steps.map((step) => step.messages);
  for (const [phone, messages] of [
    ['alice', alice!],
    ['bob', bob!],
  ] as const) {
    const way = [`${phone} > P-CSCF`, 'P-CSCF > I-CSCF', 'I-CSCF > S-CSCF'];
    const back = ['S-CSCF > I-CSCF', 'I-CSCF > P-CSCF', `P-CSCF > ${phone}`];
    expect(between(messages, 'REGISTER')).toEqual([...way, ...way]);
    expect(between(messages, '401 (REGISTER)')).toEqual(back);
    expect(between(messages, '200 (REGISTER)')).toEqual(back);
    expect(between(messages, 'UAR')).toEqual(['I-CSCF > HSS', 'I-CSCF > HSS']);
    expect(between(messages, 'UAA FIRST_REGISTRATION')).toEqual(['HSS > I-CSCF']);
    expect(between(messages, 'UAA SUBSEQUENT_REGISTRATION')).toEqual(['HSS > I-CSCF']);
    expect(between(messages, 'MAR')).toEqual(['S-CSCF > HSS']);
    expect(between(messages, 'MAA SUCCESS')).toEqual(['HSS > S-CSCF']);
    expect(between(messages, 'SAR REGISTRATION')).toEqual(['S-CSCF > HSS']);
    expect(between(messages, 'SAA SUCCESS')).toEqual(['HSS > S-CSCF']);
  }

  const hops = [
    'alice > P-CSCF',
    'P-CSCF > S-CSCF',
    'S-CSCF > I-CSCF',
    'I-CSCF > S-CSCF',
    'S-CSCF > P-CSCF',
    'P-CSCF > bob',
  ];
  const returns = hops.map((hop) => hop.split(' > ').reverse().join(' > ')).reverse();
  expect(between(call!, 'INVITE')).toEqual(hops);
  expect(between(call!, '180 (INVITE)')).toEqual(returns);
  expect(between(call!, '200 (INVITE)')).toEqual(returns);
  // The subscriptions of the P-CSCF to the registrations are found by LIR as well.
  expect(new Set(between(call!, 'LIR'))).toEqual(new Set(['I-CSCF > HSS']));
  expect(new Set(between(call!, 'LIA SUCCESS'))).toEqual(new Set(['HSS > I-CSCF']));
  for (const method of ['ACK', 'BYE']) {
    expect(between(call!, method)[0]).toBe('alice > P-CSCF');
    expect(between(call!, method).at(-1)).toBe('P-CSCF > bob');
  }
  expect(between(call!, '200 (BYE)').at(-1)).toBe('P-CSCF > alice');
  expect(between(message!, 'MESSAGE')).toEqual(hops);
  expect(between(message!, '200 (MESSAGE)')).toEqual(returns);
  expect(new Set(between(message!, 'LIR'))).toEqual(new Set(['I-CSCF > HSS']));
}, 60_000);

test('the ladder is drawn, --headers names the procedures, secrets are not shown, nothing stays behind', async () => {
  const run = await runLab('--headers');
  expect(run.exitCode, run.stderr + run.stdout).toBe(0);
  const { stdout } = run;
  const heads = stdout.split('\n').filter((line) => /^ +ms {2}alice +bob +P-CSCF +I-CSCF +S-CSCF +HSS$/.test(line));
  expect(heads.length).toBe(4);
  expect(stdout).toContain('S-CSCF: challenge (TS 24.229 5.4.1.2.1)');
  expect(stdout).toMatch(/P-CSCF: .*\n +\+ Path: </);
  expect(stdout).toMatch(/\+ Via: SIP\/2\.0\/UDP/);
  expect(stdout).toContain('Everything worked');
  expect(stdout).not.toMatch(/\b(?:ck|ik|response)="[0-9a-f]{8}/);
  expect(stdout).not.toContain('\x1b');
  const folder = /State and logs: (\S+)/.exec(stdout)![1]!;
  expect(existsSync(folder)).toBe(false);
}, 60_000);
