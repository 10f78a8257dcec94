import { describe, expect, it } from 'vitest';
import { type Avp, avp } from '#diameter/codec/avp-types';
import { type DiameterMessage, FLAG_ERROR, FLAG_RETRANSMITTED, isRequest } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxCommands } from '#diameter/dictionary/cx';
import { RepeatedAnswers } from '#diameter/peer/repeated-answers';
import { baseResult } from '#diameter/result';
import { answer, decoded, node, peerRequest, scripted, until } from './peer-rig.ts';

/** An HSS made by hand, whose answers from us are kept. */
async function scriptedHss(host: string) {
  const answers: DiameterMessage[] = [];
  const origin = [avp(baseAvps.originHost, host), avp(baseAvps.originRealm, 'ims.test')];
  const server = await scripted((message) => {
    if (!isRequest(message.octets)) {
      answers.push(message);
      return undefined;
    }
    return answer(message, avp(baseAvps.resultCode, 2001), ...origin, avp(baseAvps.authApplicationId, 16777216));
  });
  return { ...server, host, answers, write: (octets: Buffer) => server.sockets.at(-1)?.write(octets) };
}

async function scscf(hosts: readonly { host: string; port: number; anyDestination?: boolean }[], options: object = {}) {
  const parts = node('scscf.ims.test', {
    peers: hosts.map(({ host, port, anyDestination }) => ({ host, address: '127.0.0.1', port, anyDestination })),
    ...options,
  });
  const served: string[] = [];
  parts.client.handle(cxCommands.registrationTermination, (request) => {
    served.push(request.avps.text(baseAvps.userName) ?? '');
    return { result: baseResult(2001), avps: [avp(baseAvps.userName, `answer ${served.length}`)] };
  });
  parts.table.start();
  await until(() => hosts.every(({ host }) => parts.isUp(host)), 'open');
  return { ...parts, served };
}

function rtr(user: string, endToEnd: number, flags = 0, more: readonly Avp[] = []): Buffer {
  return peerRequest(
    304,
    endToEnd,
    [
      avp(baseAvps.sessionId, `hss.ims.test;1;${user}`),
      avp(baseAvps.vendorSpecificApplicationId, [
        avp(baseAvps.vendorId, 10415),
        avp(baseAvps.authApplicationId, 16777216),
      ]),
      avp(baseAvps.authSessionState, 1),
      avp(baseAvps.originHost, 'hss.ims.test'),
      avp(baseAvps.originRealm, 'ims.test'),
      ...(more.length > 0
        ? more
        : [avp(baseAvps.destinationHost, 'scscf.ims.test'), avp(baseAvps.destinationRealm, 'ims.test')]),
      avp(baseAvps.userName, user),
      avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, 0)]),
    ],
    flags,
  );
}

const resultOf = (message: DiameterMessage | undefined) => message?.avps.unsigned32(baseAvps.resultCode);

describe('D-12 a request that comes again', () => {
  it('gets the stored answer, with T and without, on the same connection and on another', async () => {
    const one = await scriptedHss('hss.ims.test');
    const two = await scriptedHss('hss2.ims.test');
    const { served, table } = await scscf([one, two]);
    one.write(rtr('alice', 5));
    await until(() => one.answers.length === 1, 'the answer');
    one.write(rtr('alice', 5, FLAG_RETRANSMITTED));
    two.write(rtr('alice', 5, FLAG_RETRANSMITTED));
    one.write(rtr('alice', 5));
    await until(() => one.answers.length === 3 && two.answers.length === 1, 'the same answers');
    expect(served).toEqual(['alice']);
    const [first] = one.answers;
    for (const repeated of [...one.answers, ...two.answers]) expect(repeated.octets).toEqual(first?.octets);
    expect(table.counters).toMatchObject({ requestsReceived: 4, requestsRepeated: 3, answersSent: 4 });
  });

  it('waits for the answer while the first is still being served, also when that connection is gone', async () => {
    const one = await scriptedHss('hss.ims.test');
    const two = await scriptedHss('hss2.ims.test');
    const { client, table } = await scscf([one, two]);
    let served = 0;
    let finish: () => void = () => undefined;
    client.handle(cxCommands.registrationTermination, () => {
      served++;
      return new Promise((resolve) => {
        finish = () => resolve({ result: baseResult(2001), avps: [] });
      });
    });
    one.write(rtr('alice', 5));
    await until(() => served === 1, 'served');
    one.sockets[0]?.destroy();
    two.write(rtr('alice', 5, FLAG_RETRANSMITTED));
    await until(() => table.counters.requestsRepeated === 1, 'the copy');
    finish();
    await until(() => two.answers.length === 1, 'the answer');
    expect(resultOf(two.answers[0])).toBe(2001);
    expect(served).toBe(1);
    expect(table.counters.undeliverableAnswers).toBe(1);
  });

  it('is another one with another End-to-End Identifier, user session or origin', async () => {
    const one = await scriptedHss('hss.ims.test');
    const { served } = await scscf([one]);
    one.write(Buffer.concat([rtr('alice', 5), rtr('alice', 6), rtr('bob', 5)]));
    await until(() => one.answers.length === 3, 'the answers');
    expect(served).toEqual(['alice', 'alice', 'bob']);
  });

  it('is new after four minutes; what is kept is bounded, and so are those who wait', () => {
    const answers = new RepeatedAnswers<string>();
    const repeated: string[] = [];
    const repeat = (message: Buffer, { connection }: { connection: string }) =>
      repeated.push(`${message.toString()} to ${connection}`);
    const asker = (connection: string) => ({ connection, hopByHop: 1 });
    expect(answers.begin('a', asker('x'), 0, repeat)).toBe(true);
    for (let n = 0; n < 10; n++) expect(answers.begin('a', asker(`w${n}`), 1, repeat)).toBe(false);
    answers.finish('a', Buffer.from('yes'), repeat);
    expect(repeated).toEqual(['yes to w0', 'yes to w1', 'yes to w2', 'yes to w3']);
    expect(answers.begin('a', asker('late'), 239_999, repeat)).toBe(false);
    expect(repeated.at(-1)).toBe('yes to late');
    expect(answers.begin('a', asker('x'), 240_000, repeat)).toBe(true);
    for (let n = 0; n < 10_000; n++) answers.begin(`k${n}`, asker('x'), 240_001, repeat);
    expect(answers.size).toBeLessThanOrEqual(4096);
    answers.finish('k9999', Buffer.alloc(9000), repeat);
    expect(answers.begin('k9999', asker('x'), 240_002, repeat)).toBe(true);
  });
});

describe('D-14 a request that is not for us', () => {
  it.each([
    [
      3002,
      'this is scscf.ims.test',
      [avp(baseAvps.destinationHost, 'other.ims.test'), avp(baseAvps.destinationRealm, 'IMS.test')],
    ],
    [3003, 'serves ims.test', [avp(baseAvps.destinationRealm, 'elsewhere.test')]],
    [
      3003,
      'not elsewhere.test',
      [avp(baseAvps.destinationHost, 'a.test'), avp(baseAvps.destinationRealm, 'elsewhere.test')],
    ],
    [
      3005,
      'D-16',
      [
        avp(baseAvps.destinationHost, 'scscf.ims.test'),
        avp(baseAvps.destinationRealm, 'ims.test'),
        avp(baseAvps.routeRecord, 'relay.test'),
        avp(baseAvps.routeRecord, 'SCSCF.ims.test'),
      ],
    ],
  ])('is answered %i with the E bit and words (%s)', async (resultCode, words, destination) => {
    const server = await scriptedHss('hss.ims.test');
    const { served, table } = await scscf([server]);
    server.write(rtr('alice', 9, 0, destination));
    await until(() => server.answers.length === 1, 'the answer');
    const [refusal] = server.answers;
    expect(resultOf(refusal)).toBe(resultCode);
    expect((refusal?.flags ?? 0) & FLAG_ERROR).toBe(FLAG_ERROR);
    if (words !== 'D-16') expect(refusal?.avps.text(baseAvps.errorMessage)).toContain(words);
    expect(refusal?.avps.text(baseAvps.sessionId)).toBe('hss.ims.test;1;alice');
    expect([refusal?.hopByHop, refusal?.endToEnd]).toEqual([7, 9]);
    expect(refusal?.avps.has(baseAvps.routeRecord)).toBe(false);
    expect(served).toEqual([]);
    expect(table.counters.requestsTurnedDown).toBe(1);
  });

  it('is for us by our name in any realm, and by another realm that is served', async () => {
    const server = await scriptedHss('hss.ims.test');
    const { served } = await scscf([server], { servedRealms: ['home.test'] });
    const host = avp(baseAvps.destinationHost, 'SCSCF.ims.test');
    server.write(rtr('a', 1, 0, [host, avp(baseAvps.destinationRealm, 'epc.test')]));
    server.write(rtr('b', 2, 0, [host, avp(baseAvps.destinationRealm, 'home.test')]));
    await until(() => served.length === 2, 'served');
  });

  it('E.6 PyHSS (8) is for us, whatever it names, where the peer is said not to know better', async () => {
    const server = await scriptedHss('hss.ims.test');
    const { served } = await scscf([{ ...server, anyDestination: true }]);
    const host = avp(baseAvps.destinationHost, 'hss.localdomain');
    server.write(rtr('a', 1, 0, [host, avp(baseAvps.destinationRealm, 'localdomain')]));
    server.write(rtr('b', 2, 0, [host, avp(baseAvps.destinationRealm, 'ims.test')]));
    await until(() => served.length === 2, 'served');
  });

  it('D-14 is answered 3004 when too many of a peer await their answer, others are served', async () => {
    const flood = await scriptedHss('hss.ims.test');
    const other = await scriptedHss('hss2.ims.test');
    const { client, table } = await scscf([flood, other], { maxAsked: 3 });
    const waiting: (() => void)[] = [];
    client.handle(
      cxCommands.registrationTermination,
      () => new Promise((resolve) => waiting.push(() => resolve({ result: baseResult(2001), avps: [] }))),
    );
    flood.write(Buffer.concat(Array.from({ length: 10 }, (_, n) => rtr(`u${n}`, n))));
    await until(() => flood.answers.length === 7, 'seven refusals');
    expect(new Set(flood.answers.map(resultOf))).toEqual(new Set([3004]));
    expect(flood.answers[0]?.avps.text(baseAvps.errorMessage)).toContain('too many at once');
    expect(table.status()[0]).toMatchObject({ asked: 3 });
    other.write(rtr('x', 99));
    await until(() => waiting.length === 4, 'the other peer is served');
    for (const finish of waiting) finish();
    await until(() => flood.answers.length === 10 && other.answers.length === 1, 'all answers');
    expect(table.status()[0]).toMatchObject({ asked: 0 });
    flood.write(rtr('u9', 9, FLAG_RETRANSMITTED));
    await until(() => waiting.length === 5, 'what was refused is served when it comes again');
    waiting[4]?.();
    await until(() => flood.answers.length === 11, 'its answer');
    expect(resultOf(flood.answers.at(-1))).toBe(2001);
  });
});

it('decodes what the rig writes', () => {
  expect(decoded(rtr('alice', 1)).command).toBe(304);
});
