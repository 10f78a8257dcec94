import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Header } from '#sip/message/header-names';
import { exactCases, exactTable, judge, ownCases, ownTable } from './judge.ts';
import { RawUe } from './raw-ue.ts';
import { rfc4475Hosts } from './rfc4475-files.ts';
import { Stranger } from './stranger.ts';
import type { TortureCase } from './torture-case.ts';
import { cscfs, TortureLab, transactionMs } from './torture-lab.ts';
import { fitsStream, readableRequest } from './verdict.ts';
import type { VerdictCell } from './verdict-reporter.ts';

/** What makes two messages one transaction; those that cannot be read are none. */
function transactionOf(message: string): string {
  const request = readableRequest(message);
  return request === null ? message : `${request.method} ${request.headers.first(Header.Via)}`;
}

/** The same cases, those at the end that are the same transaction as another one. */
function twinsLast(cases: readonly TortureCase[]): readonly TortureCase[] {
  const seen = new Set<string>();
  const isTwin = ({ message }: TortureCase) => {
    const key = transactionOf(message);
    return seen.has(key) || !seen.add(key);
  };
  const twins = new Set(cases.filter(isTwin));
  return [...cases.filter((each) => !twins.has(each)), ...twins];
}

describe('C-24 X-S1 RFC 4475 and RFC 5118 over UDP and TCP at running daemons', () => {
  let lab: TortureLab;
  const mallory = new Stranger('127.7.7.7');

  beforeAll(async () => {
    lab = await TortureLab.start({}, rfc4475Hosts);
  });
  afterAll(async () => {
    await mallory.close();
    await lab?.stop();
  });

  const sentAt = new Map<string, number>();

  /** A message that is the same transaction as one sent by UDP before waits until that is forgotten. */
  async function untilItIsNew(message: string): Promise<void> {
    const waitMs = (sentAt.get(transactionOf(message)) ?? -Number.MAX_VALUE) + transactionMs + 500 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  async function byUdp(context: TestContext, table: string, each: TortureCase): Promise<void> {
    const cells: VerdictCell[] = [];
    await untilItIsNew(each.message);
    sentAt.set(transactionOf(each.message), performance.now());
    for (const role of cscfs) {
      const expected = each.daemons[role];
      const got = await mallory.askByUdp(each.message, lab.addressOf(role), expected !== 'dropped');
      cells.push({ where: role, expected, got });
    }
    judge(context, table, each, cells);
  }

  async function byTcp(context: TestContext, table: string, each: TortureCase): Promise<void> {
    const cells: VerdictCell[] = [];
    await untilItIsNew(each.message);
    for (const role of cscfs) {
      const expected = each.daemons[role];
      const got = await mallory.askByTcp(each.message, lab.addressOf(role), expected !== 'dropped');
      cells.push({ where: `${role} by TCP`, expected, got });
    }
    judge(context, table, each, cells);
  }

  const streamed = (cases: readonly TortureCase[]) => cases.filter(({ message }) => fitsStream(message));

  it.for(ownCases)('$section $name', (each, context) => byUdp(context, ownTable, each));
  it.for(twinsLast(exactCases))('byte for byte: $name', (each, context) => byUdp(context, exactTable, each));
  it.for(streamed(ownCases))('by TCP: $section $name', (each, context) => byTcp(context, ownTable, each));
  it.for(streamed(exactCases))('by TCP, byte for byte: $name', (each, context) => byTcp(context, exactTable, each));

  it.each([
    ['a parameter', '<sip:ADDRESS>;whatever;q=0.5', '<sip:ADDRESS>;whatever;q=0.5'],
    ['a URI parameter', '<sip:ADDRESS;whatever>', '<sip:ADDRESS;whatever>'],
    ['header fields in the URI', '<sip:ADDRESS?Route=%3Csip:x%3E>', '<sip:ADDRESS?Route=%3Csip:x%3E>'],
    ['an escaped NUL', '<sip:%00@ADDRESS>', '<sip:%00@ADDRESS>'],
  ])('C-24 a contact with %s is registered as it is', async (_, contact, kept) => {
    const phone = await RawUe.open(lab.addressOf('pcscf'), 60 + contact.length);
    const address = `${phone.peer.address}:${phone.peer.port}`;
    const accepted = await phone.register({ Contact: contact.replace('ADDRESS', address) });
    expect(accepted).toContain(`Contact: ${kept.replace('ADDRESS', address)};expires=`);
    await phone.close();
  });

  it('X-S1 the same processes register and carry a call afterwards', async () => {
    await lab.check();
    for (const role of cscfs) {
      expect(await lab.refusals(role, 'malformed')).toBeGreaterThan(20);
      expect(await lab.refusals(role, 'unsupported-scheme')).toBeGreaterThan(2);
    }
  });
});
