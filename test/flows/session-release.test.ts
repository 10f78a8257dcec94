import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRegInfo } from '#ims/reginfo-read';
import type { HssFindings } from '#lab/hss/hss-methods';
import type { OrderOutcome } from '#lab/hss/server-orders';
import type { Call } from '#lab/ue/call';
import { callManagement } from '#manage/management-client';
import { ParseFailure } from '#sip/errors';
import { type Pair, type Phone, ResilientLab, until } from './resilient-lab.ts';

/** Two workers each, so that who hears of the order is seldom who has the call. */
let lab: ResilientLab;
beforeAll(async () => {
  lab = await ResilientLab.start({ workers: 2, reader: 'dedicated' });
});
afterAll(() => lab?.stop());

function hss<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
  return callManagement(join(lab.folder, 'hss.sock'), method, params) as Promise<T>;
}

const byes = (phone: Phone, { callId }: Call) => [...phone.requests('BYE', callId)];
const cseqOf = (text: string) => /^CSeq: (\d+)/m.exec(text)?.[1];
const reasonOf = (text: string) => /^Reason: (.*)\r$/m.exec(text)?.[1];

/** Both ends have got a BYE of the other, different in nothing that a phone looks at. */
async function expectEnded({ out, into }: Pair, reason: RegExp): Promise<void> {
  const [first, second] = await Promise.all([out.ended, into.ended]);
  expect([first.by, second.by]).toEqual(['them', 'them']);
  const phones = [lab.alice, lab.bob].map((phone) => [phone, phone.calls.includes(into) ? into : out] as const);
  for (const [phone, call] of phones) {
    const sent = byes(phone, call);
    expect(new Set(sent.map(cseqOf)).size, 'BYEs with one CSeq').toBe(1);
    expect(reasonOf(sent[0]!)).toMatch(reason);
  }
}

/** The latest NOTIFY of registration state that a phone has heard, in words. */
function lastNotice(phone: Phone): string {
  const text = phone.heard.findLast((each) => each.startsWith('NOTIFY '));
  if (text === undefined) return 'nothing';
  const document = readRegInfo(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1'));
  if (document instanceof ParseFailure) return document.reason;
  const state = /^Subscription-State: ([^;\r]*)/m.exec(text)?.[1];
  const lines = document.registrations.map(
    ({ aor, state: each, contacts }) => `${aor} ${each} ${contacts.map(({ event }) => event).join()}`,
  );
  return [state, ...lines].join(' | ');
}

async function register(): Promise<void> {
  await lab.alice.register();
  expect((await lab.alice.ue.subscribeToRegistration()).status).toBe(200);
  await until('the first NOTIFY', () => lastNotice(lab.alice).startsWith('active'));
}

/** Of the S-CSCF, or of the P-CSCF that hears of the end by its own subscription: whoever is first. */
const registrationEnded =
  /^SIP;cause=(480;text="the registration that this session belongs to has ended"|503;text="Service Unavailable")$/;

describe('the HSS ends a registration while calls are up', () => {
  it.each([
    ['S-70 S-71 S-130 permanent, all identities', 'permanent', false, 'rejected'],
    ['S-70 S-71 S-130 permanent, a named identity', 'permanent', true, 'rejected'],
    ['S-70 S-71 S-130 a new server, all identities', 'new-server', false, 'deactivated'],
    ['S-70 S-71 S-130 a new server, a named identity', 'new-server', true, 'deactivated'],
    ['S-70 S-71 S-130 a change of server, all identities', 'server-change', false, 'deactivated'],
    ['S-70 S-71 S-130 a change of server, a named identity', 'server-change', true, 'deactivated'],
    ['S-70 S-71 S-130 the S-CSCF goes, all identities', 'remove-scscf', false, 'deactivated'],
    ['S-70 S-71 S-130 the S-CSCF goes, a named identity', 'remove-scscf', true, 'deactivated'],
  ])(
    '%s',
    async (_name, reason, isNamed, event) => {
      await register();
      const calls = [await lab.call(lab.alice, lab.bob), await lab.call(lab.bob, lab.alice)];
      const ringing = await lab.ringing(lab.alice, lab.bob);
      const { impi, impus } = lab.config.phones[0];
      const outcome = await hss<OrderOutcome>('hss.rtr', { impi, reason, impus: isNamed ? [impus![1]] : [] });
      expect(outcome).toMatchObject({ done: true, code: 2001, findings: [] });
      for (const pair of calls) await expectEnded(pair, registrationEnded);
      const end = await ringing.ended;
      expect([480, 503]).toContain(end.status);
      expect(end.by).toBe('refused');
      await until('bob is cancelled', () => lab.bob.requests('CANCEL', ringing.callId).size === 1);
      await until('the last NOTIFY', () => lastNotice(lab.alice).startsWith('terminated'));
      const [first, second] = impus!;
      expect(lastNotice(lab.alice)).toBe(`terminated | ${first} terminated ${event} | ${second} terminated ${event}`);
    },
    30_000,
  );

  it('S-73 S-130 a pushed profile without the number ends the call to the number, and no other', async () => {
    await register();
    const { impi, impus } = lab.config.phones[0];
    const [name, number] = impus!;
    const byName = await lab.call(lab.bob, lab.alice);
    const out = lab.bob.ue.call(number!);
    expect(await out.answered).toBe(true);
    const into = lab.alice.calls.find((call) => call.callId === out.callId)!;
    const profile = `<IMSSubscription><PrivateID>\${IMPI}</PrivateID><ServiceProfile><PublicIdentity><Identity>${name}</Identity></PublicIdentity></ServiceProfile></IMSSubscription>`;
    const outcome = await hss<OrderOutcome>('hss.ppr', { impi, profile });
    expect(outcome).toMatchObject({ done: true, code: 2001 });
    await expectEnded({ out, into }, registrationEnded);
    expect([byName.out.state, byName.into.state]).toEqual(['established', 'established']);
    await until('a NOTIFY of the change', () => lastNotice(lab.alice).includes(`${number} terminated`));
    expect(lastNotice(lab.alice)).toContain(`${name} active`);
    await lab.release(byName);
    await lab.alice.ue.deregister();
  }, 30_000);

  it('S-71 D-17 the HSS has nothing to find fault with', async () => {
    const { counts, latest } = await hss<HssFindings>('hss.findings');
    expect(latest).toEqual([]);
    expect(counts).toEqual([]);
  });
});

describe('an operator ends a call', () => {
  it.each([
    ['P-110 P-112 at the P-CSCF', 'pcscf', /^SIP;cause=503;text="Service Unavailable"$/],
    ['S-130 at the S-CSCF', 'scscf', /^SIP;cause=480;text="the operator has ended this session"$/],
  ] as const)(
    '%s, with cscfctl: both phones get one BYE',
    async (_name, role, reason) => {
      await lab.alice.register();
      const pair = await lab.call(lab.alice, lab.bob);
      const command = ['--socket', join(lab.folder, `${role}.sock`), 'dialogs', 'end'];
      const cscfctl = (callId: string) =>
        spawnSync(fileURLToPath(new URL('../../bin/cscfctl', import.meta.url)), [...command, callId], {
          encoding: 'utf8',
        }).stdout;
      expect(cscfctl(pair.out.callId)).toBe('sessions ended: 2\n');
      await expectEnded(pair, reason);
      expect(cscfctl('nobody')).toBe('sessions ended: 0\n');
      await lab.callBothWays();
    },
    30_000,
  );

  it('P-110 P-111 a call that rings is refused with 503 and cancelled', async () => {
    const ringing = await lab.ringing(lab.alice, lab.bob);
    const params = { callId: ringing.callId };
    expect(await callManagement(join(lab.folder, 'pcscf.sock'), 'dialogs.end', params)).toBe(2);
    expect(await ringing.ended).toMatchObject({ by: 'refused', status: 503 });
    await until('bob is cancelled', () => lab.bob.requests('CANCEL', ringing.callId).size === 1);
    await lab.callBothWays();
  }, 30_000);
});
