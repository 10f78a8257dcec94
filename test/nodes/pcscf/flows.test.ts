import { afterEach, describe, expect, it } from 'vitest';
import type { JournalEntry } from '#sip/message/journal';
import { responseTo, type SentMessage, sip } from '../worker-harness.ts';
import {
  alice,
  bob,
  expectQuiet,
  mw,
  oneListener,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  twoListeners,
  type Ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
afterEach(() => expectQuiet(worker));

const record = 'Record-Route: <sip:mt@127.0.8.3:6060;lr>, <sip:mo@127.0.8.3:6060;lr>';
let branch = 0;

/** What the S-CSCF makes of a request of ours: its Via and Record-Route on top, Route and Request-URI as told. */
function throughCore(sent: SentMessage, uri: string, route: string): string {
  const lines = sent.text.slice(0, sent.text.indexOf('\r\n\r\n')).split('\r\n').slice(1);
  const kept = lines.filter((line) => !line.startsWith('Route:') && !line.startsWith('Content-Length:'));
  const first = kept.findIndex((line) => line.startsWith('Record-Route:'));
  if (first >= 0) kept.splice(first, 0, record);
  const via = `Via: SIP/2.0/UDP 127.0.8.3:6060;branch=z9hG4bKs${++branch}`;
  return sip([`${sent.method} ${uri} SIP/2.0`, via, ...kept, `Route: ${route}`], sent.body);
}

/** What the S-CSCF makes of a response of ours: its own Via is gone. */
function backThroughCore(sent: SentMessage): string {
  const first = sent.text.indexOf('\r\nVia: ');
  const end = sent.text.indexOf('\r\n', first + 2);
  return sent.text.slice(0, first) + sent.text.slice(end);
}

/** The Route values a UE writes after a dialog has begun, from the Record-Route it saw. */
const routeSet = (message: SentMessage) => message.all('Record-Route').flatMap((value) => value.split(/, */));

describe.each([
  ['one listener', oneListener, ['127.0.8.0/24'], 0],
  ['Gm and Mw apart', twoListeners, ['127.0.0.0/8'], mw],
] as const)('a call with preconditions between two UEs of one P-CSCF, %s', (_name, listeners, trusted, core) => {
  it('P-90 P-96 P-100 P-102 P-104 every message of it finds its way, and nothing is left of it', () => {
    worker = startPcscf({ listeners, trusted });
    const fromCore = (text: string) => worker.receive(text, scscf, core);
    const atUe = (from: Ue, method: string, uri: string, lines: readonly string[]) => {
      worker.receive(request(from, method, uri, lines), from.source);
    };
    register(worker, alice);
    const tokenB = register(worker, bob);
    const bobUri = `sip:bob@${bob.address}`;
    const pathB = `<sip:${tokenB}@${core === mw ? '127.0.0.1:5070' : '127.0.8.1:5060'};lr>`;

    atUe(alice, 'INVITE', 'tel:+15553', ['Call-ID: g2', `Route: ${serviceRoute}`, 'Supported: 100rel,precondition']);
    const moInvite = worker.takeOne();
    expect([moInvite.to, moInvite.header('P-Asserted-Identity')]).toEqual([scscf, '<sip:alice@ims.test>']);
    fromCore(throughCore(moInvite, bobUri, pathB));
    const mtInvite = worker.takeOne();
    expect([mtInvite.to, mtInvite.requestUri]).toEqual([bob.source, bobUri]);
    expect(mtInvite.all('P-Charging-Vector')).toEqual([]);

    /** Bob answers; gives what alice gets. */
    const answer = (status: number, lines: readonly string[]) => {
      worker.receive(responseTo(mtInvite, status, [`Contact: <${bobUri}>`, ...lines], '', 'bob'), bob.source);
      const up = worker.takeOne();
      expect([up.to, up.header('P-Charging-Vector')]).toEqual([scscf, moInvite.header('P-Charging-Vector')]);
      fromCore(backThroughCore(up));
      const down = worker.takeOne();
      expect([down.to, down.status, down.header('P-Charging-Vector')]).toEqual([alice.source, status, null]);
      return down;
    };
    const progress = answer(183, ['Require: 100rel', 'RSeq: 1']);
    const routesA = routeSet(progress).reverse();
    const routesB = routeSet(mtInvite);
    const dialogA = ['Call-ID: g2', 'To: <tel:+15553>;tag=bob', `Route: ${routesA.join(', ')}`];
    const dialogB = [
      'Call-ID: g2',
      'From: <tel:+15553>;tag=bob',
      'To: <sip:alice@ims.test>;tag=alice',
      `Route: ${routesB.join(', ')}`,
    ];

    /** A request inside the dialog from one end to the other, and its answer back. */
    const through = (from: Ue, to: Ue, method: string, lines: readonly string[]) => {
      const uri = `sip:${to.user}@${to.address}`;
      atUe(from, method, uri, lines);
      const up = worker.takeOne();
      expect([up.method, up.to]).toEqual([method, scscf]);
      const beyond = up.all('Route').flatMap((value) => value.split(/, */));
      fromCore(throughCore(up, uri, beyond.slice(2).join(', ')));
      const down = worker.takeOne();
      expect([down.method, down.to, down.all('Route')]).toEqual([method, to.source, []]);
      if (method === 'ACK') return;
      worker.receive(responseTo(down, 200, [`Contact: <${uri}>`]), to.source);
      fromCore(backThroughCore(worker.takeOne()));
      const ok = worker.takeOne();
      expect([ok.status, ok.to]).toEqual([200, from.source]);
    };
    through(alice, bob, 'PRACK', [...dialogA, 'RAck: 1 1 INVITE']);
    through(alice, bob, 'UPDATE', [...dialogA, `Contact: <sip:alice@${alice.address}>`]);
    answer(180, []);
    answer(200, []);
    through(alice, bob, 'ACK', dialogA);
    through(bob, alice, 'UPDATE', [...dialogB, `Contact: <${bobUri}>`]);
    through(bob, alice, 'BYE', dialogB);

    expect(worker.refusals).toEqual([]);
    expect(worker.logic.sessions()).toBe(0);
    worker.advance(300_000);
    expect(worker.held.size).toBe(0);
  });
});

describe('traces', () => {
  it('P-71 P-74 P-76 say which procedure changed what', () => {
    const journals: (readonly JournalEntry[])[] = [];
    worker = startPcscf({
      trace: {
        sip: (direction, _text, _peer, journal) => void (direction === 'out' && journals.push(journal)),
        diameter: () => {},
      },
    });
    register(worker, alice);
    journals.length = 0;
    worker.receive(
      request(alice, 'INVITE', 'sip:bob@ims.test', ['P-Served-User: <sip:x@y>', 'Route: <sip:evil;lr>']),
      alice.source,
    );
    const edits = journals[0]!.map(({ procedure, before, after }) => [procedure.split(' ', 1)[0], after ?? before]);
    expect(edits).toEqual(
      expect.arrayContaining([
        ['enforceRoute', `Route: ${serviceRoute}`],
        ['crossBorder', 'P-Served-User: <sip:x@y>'],
        ['assertIdentity', 'P-Asserted-Identity: <sip:alice@ims.test>'],
        ['recordRoute', expect.stringContaining('Record-Route: ')],
      ]),
    );
  });
});
