import { describe, expect, it } from 'vitest';
import type { Flow, Target } from '#sip/transport/flow';
import { defaultIntake, Intake, type IntakeOptions, type IntakeUser } from '#workers/intake';
import type { Standing } from '#workers/overload';
import { createRefused, RefusedRequests } from '#workers/refused-requests';

const flowOf = (port: number): Flow => ({ listener: 0, transport: 'udp', address: '192.0.2.1', port, connection: 0 });
const known = flowOf(5061);
const stranger = flowOf(6666);
const core = flowOf(4060);

/** An intake before a worker that takes `workMs` for each message, with a clock that only work and the test move. */
class Rig {
  nowMs = 1_000;
  workMs = 1;
  readonly handled: string[] = [];
  readonly sent: { text: string; target: Target }[] = [];
  readonly released: number[] = [];
  readonly punished: number[] = [];
  /** Branches of transactions that are under way. */
  readonly held = new Set<string>();
  readonly intake: Intake;

  constructor(options: Partial<IntakeOptions> = {}, user: Partial<IntakeUser> = {}, refused = createRefused()) {
    const standing = new Map<number, Standing>([
      [known.port, 'known'],
      [core.port, 'core'],
    ]);
    this.intake = new Intake(
      {
        sip: (text) => {
          this.handled.push(nameOf(text));
          this.nowMs += this.workMs;
        },
        standingOf: ({ port }) => standing.get(port) ?? 'stranger',
        holds: (via) => this.held.has(via.branch),
        penalised: ({ port }) => this.punished.push(port),
        ...user,
      },
      {
        send: (text, target) => this.sent.push({ text, target }),
        release: (bucket) => this.released.push(bucket),
        nowMs: () => this.nowMs,
      },
      { ...defaultIntake, delayMs: 100, patienceMs: 0, ...options },
      42,
      new RefusedRequests(refused, 42),
    );
  }

  /** One wake that brings these messages. */
  batch(messages: readonly (readonly [text: string, flow: Flow])[]): void {
    this.intake.begin(this.nowMs, true);
    for (const [text, flow] of messages) this.intake.sip(text, flow, -1);
    this.intake.end();
  }

  /** A turn of the loop for what waits. */
  turn(): void {
    this.intake.begin(this.nowMs, true);
    this.intake.drain();
    this.intake.end();
  }

  finish(): void {
    for (let i = 0; this.intake.queue.size > 0 && i < 10_000; i++) this.turn();
  }

  /** Makes the queue as long as this many milliseconds of work. */
  load(ms: number): void {
    for (let i = 0; i < 40; i++) {
      this.batch(many('INFO', 40, `warm-${i}-`).map((text) => [text, core] as const));
      this.finish();
    }
    this.batch(many('BYE', ms / this.workMs + 20, 'load-').map((text) => [text, core] as const));
    this.handled.length = 0;
  }

  get refused(): string[] {
    return this.sent.map(({ text }) => `${text.slice(8, 11)} ${/CSeq: 1 (\w+)/.exec(text)![1]} ${callIdOf(text)}`);
  }
}

const callIdOf = (text: string) => /Call-ID: (.*)\r/.exec(text)?.[1] ?? '';
const nameOf = (text: string) => `${text.slice(0, text.indexOf(' '))} ${callIdOf(text)}`;

function sip(method: string, callId: string, extra = '', toTag = ''): string {
  const tag = toTag !== '' ? toTag : method === 'BYE' || method === 'INFO' ? 'b' : '';
  return `${method} sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK${callId}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>${tag === '' ? '' : `;tag=${tag}`}\r\nCall-ID: ${callId}\r\nCSeq: 1 ${method}\r\n${extra}\r\n`;
}

const many = (method: string, count: number, prefix = 'c') =>
  Array.from({ length: count }, (_, i) => sip(method, `${prefix}${i}`));
const from = (texts: readonly string[], flow: Flow) => texts.map((text) => [text, flow] as const);

describe('the intake of a worker', () => {
  it('C-35 handles a message at once while nothing waits and the turn has time', () => {
    const rig = new Rig();
    rig.workMs = 0.1;
    rig.batch(from(many('INVITE', 20), known));
    expect(rig.handled).toEqual(many('INVITE', 20).map(nameOf));
    expect(rig.intake.queue.size).toBe(0);
  });

  it('C-35 lets the loop have its turn after a few milliseconds of work, and goes on where it stopped', () => {
    const rig = new Rig();
    rig.batch(from(many('INVITE', 30), known));
    expect(rig.handled.length).toBe(16);
    expect(rig.intake.queue.size).toBe(14);
    rig.finish();
    expect(rig.handled).toEqual(many('INVITE', 30).map(nameOf));
  });

  it('C-35 takes batches that follow one another for one turn', () => {
    const rig = new Rig();
    for (const text of many('INVITE', 30)) {
      rig.nowMs += 0.1;
      rig.intake.begin(rig.nowMs, false);
      rig.intake.sip(text, known, -1);
      rig.intake.end();
    }
    expect(rig.handled.length).toBe(16);
    rig.finish();
    rig.nowMs += 1;
    rig.intake.begin(rig.nowMs, false);
    rig.intake.sip(sip('INVITE', 'later'), known, -1);
    expect(rig.handled.at(-1)).toBe('INVITE later');
  });

  it('P-143 refuses OPTIONS first, then strangers, then new requests, REGISTER last; what is under way never', () => {
    const refusedAt = (ms: number) => {
      const rig = new Rig();
      rig.load(ms);
      rig.batch([
        [sip('OPTIONS', 'options'), known],
        [sip('INVITE', 'stranger'), stranger],
        [sip('REGISTER', 'newcomer'), stranger],
        [sip('INVITE', 'invite'), known],
        [sip('MESSAGE', 'message'), known],
        [sip('REGISTER', 'register'), known],
        [sip('INVITE', 'sos').replace('sip:b@x', 'urn:service:sos'), known],
        [sip('CANCEL', 'cancel'), known],
        [sip('INVITE', 'again', '', 'tag'), known],
        ['SIP/2.0 200 OK\r\nCall-ID: response\r\n\r\n', known],
      ]);
      return rig.refused.map((line) => line.split(' ')[2]);
    };
    expect(refusedAt(10)).toEqual([]);
    expect(refusedAt(30)).toEqual(['options']);
    expect(refusedAt(45)).toEqual(['options', 'stranger']);
    expect(refusedAt(120)).toEqual(['options', 'stranger', 'invite', 'message']);
    expect(refusedAt(180)).toEqual(['options', 'stranger', 'newcomer', 'invite', 'message']);
    expect(refusedAt(1000)).toEqual(['options', 'stranger', 'newcomer', 'invite', 'message', 'register']);
  });

  it('P-143 an emergency number that a registered UE dials is never refused and served first, like a service', () => {
    const asked: string[] = [];
    const isUrgent = (text: string) => {
      asked.push(nameOf(text));
      return text.startsWith('INVITE sip:112@');
    };
    const rig = new Rig({}, { isUrgent });
    const dialled = (callId: string) => sip('INVITE', callId).replace('sip:b@x', 'sip:112@x');
    rig.batch([[dialled('idle'), known]]);
    // Nobody is asked while there is nothing to choose.
    expect(asked).toEqual([]);
    rig.load(1000);
    rig.batch([
      [sip('INVITE', 'invite'), known],
      [dialled('help'), known],
      [dialled('stranger'), stranger],
      [dialled('core'), core],
      [sip('BYE', 'bye'), known],
    ]);
    expect(rig.refused).toEqual(['503 INVITE invite', '503 INVITE stranger', '503 INVITE core']);
    expect(asked).toEqual(['INVITE invite', 'INVITE help']);
    rig.finish();
    expect(rig.handled.filter((line) => !line.includes('load'))).toEqual(['INVITE help', 'BYE bye']);
  });

  it('C-30 a refusal is a 503 with Retry-After that goes back where a phone sent from', () => {
    const rig = new Rig();
    rig.load(500);
    rig.batch([[sip('INVITE', 'x'), known]]);
    expect(rig.sent[0]!.text).toMatch(/^SIP\/2.0 503 Service Unavailable\r\n.*\r\nRetry-After: [1-6]\d\r\n/s);
    expect(rig.sent[0]!.target).toEqual(known);
    expect(rig.intake.counts().refused.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('C-35 keeps the order of a Call-ID: what follows a waiting request waits behind it', () => {
    const rig = new Rig();
    rig.load(50);
    rig.batch([
      [sip('INVITE', 'call'), known],
      [sip('CANCEL', 'call'), known],
      [sip('INFO', 'other'), known],
    ]);
    rig.finish();
    const own = rig.handled.filter((line) => !line.includes('load'));
    expect(own).toEqual(['INFO other', 'INVITE call', 'CANCEL call']);
  });

  it('X-F1 a retransmission of what waits is dropped, of what is under way passes, of what was refused is refused again', () => {
    const rig = new Rig();
    rig.load(50);
    const waits = sip('INVITE', 'waits');
    rig.batch(from([waits, waits, waits], known));
    expect(rig.intake.counts().dropped.repeated).toBe(2);
    rig.batch(from(many('BYE', 400, 'more'), core));
    rig.held.add('z9hG4bKunder-way');
    rig.batch(from([sip('INVITE', 'under-way'), sip('INVITE', 'new'), sip('INVITE', 'new')], known));
    expect(rig.refused).toEqual(['503 INVITE new', '503 INVITE new']);
    const tags = rig.sent.map(({ text }) => /^To:.*;tag=(.*)\r$/m.exec(text)![1]);
    expect(tags[0]).toBe(tags[1]);
    rig.finish();
    expect(rig.handled).toContain('INVITE under-way');
    expect(rig.handled.filter((line) => line === 'INVITE waits').length).toBe(0);
    expect(rig.refused).toContain('503 INVITE waits');
  });

  it('X-R14 X-F1 a copy of what was refused is refused, too, though there is time again; not later, and not by TCP', () => {
    const rig = new Rig();
    rig.load(500);
    rig.batch(from([sip('INVITE', 'refused')], known));
    rig.finish();
    rig.handled.length = 0;
    rig.batch(from([sip('INVITE', 'refused'), sip('INVITE', 'other')], known));
    rig.batch([[sip('INVITE', 'refused'), { ...known, transport: 'tcp' }]]);
    expect(rig.refused).toEqual(['503 INVITE refused', '503 INVITE refused']);
    expect(rig.handled).toEqual(['INVITE other', 'INVITE refused']);
    rig.nowMs += 32_001;
    rig.batch(from([sip('INVITE', 'refused')], known));
    expect(rig.handled.length).toBe(3);
  });

  it('X-R14 whatever worker the copy comes to', () => {
    const refused = createRefused();
    const [busy, idle] = [new Rig({}, {}, refused), new Rig({}, {}, refused)];
    busy.load(500);
    busy.batch(from([sip('INVITE', 'refused')], known));
    idle.nowMs = busy.nowMs;
    idle.batch(from([sip('INVITE', 'refused'), sip('INVITE', 'other')], known));
    expect([busy.refused, idle.refused]).toEqual([['503 INVITE refused'], ['503 INVITE refused']]);
    expect(idle.handled).toEqual(['INVITE other']);
    expect(idle.sent[0]!.text.match(/^To:.*$/m)![0]).toBe(busy.sent[0]!.text.match(/^To:.*$/m)![0]);
  });

  it('X-F1 what waited too long is refused, unless its transaction is under way by now', () => {
    const rig = new Rig();
    rig.load(50);
    rig.batch(from([sip('INVITE', 'late'), sip('INVITE', 'late-held')], known));
    rig.held.add('z9hG4bKlate-held');
    rig.nowMs += 500;
    rig.finish();
    expect(rig.refused).toEqual(['503 INVITE late']);
    expect(rig.handled.some((line) => line.includes('late'))).toBe(false);
  });

  it('C-30 the ACK to a refusal is dropped unread, any other is not', () => {
    const rig = new Rig();
    rig.load(500);
    rig.batch([[sip('INVITE', 'refused'), known]]);
    const tag = /^To:.*;tag=(.*)\r$/m.exec(rig.sent[0]!.text)![1]!;
    rig.finish();
    rig.handled.length = 0;
    rig.batch([
      [sip('ACK', 'refused', '', tag), known],
      [sip('ACK', 'other', '', 'b'), known],
    ]);
    expect(rig.handled).toEqual(['ACK other']);
    expect(rig.intake.counts().dropped.ack).toBe(1);
    rig.nowMs += 33_000;
    rig.batch([[sip('ACK', 'refused', '', tag), known]]);
    rig.batch([[sip('ACK', 'refused', '', tag), known]]);
    expect(rig.handled).toEqual(['ACK other', 'ACK refused', 'ACK refused']);
  });

  it('C-35 X-F2 is bounded: the oldest request that is not under way leaves with 503', () => {
    const rig = new Rig({ messages: 50, delayMs: 10_000 });
    rig.batch(from(many('INVITE', 66), known));
    expect(rig.intake.queue.size).toBe(50);
    rig.batch(from(many('BYE', 19, 'bye'), core));
    expect(rig.refused).toEqual(['503 INVITE c16', '503 INVITE c17', '503 INVITE c18']);
    expect(rig.intake.queue.size).toBe(50);
  });

  it('C-35 hands back the bucket of each message when it is done with it', () => {
    const rig = new Rig({ messages: 1 });
    rig.intake.begin(rig.nowMs, true);
    for (let i = 0; i < 16; i++) rig.intake.sip(sip('BYE', `b${i}`), core, i);
    const waits = sip('INVITE', 'waits');
    rig.intake.sip(waits, known, 100);
    rig.intake.sip(waits, known, 101);
    rig.intake.sip(sip('BYE', 'evicts'), core, 102);
    rig.intake.end();
    rig.finish();
    expect([...rig.released].sort((a, b) => a - b)).toEqual([
      ...Array.from({ length: 16 }, (_, i) => i),
      100,
      101,
      102,
    ]);
  });

  it('C-15 handles all that waits when the worker stops', () => {
    const rig = new Rig();
    rig.batch(from(many('INVITE', 60), known));
    rig.nowMs += 5_000;
    rig.intake.drainAll();
    expect(rig.handled.length).toBe(60);
  });
});

describe('the intake and strangers', () => {
  it('X-F1 X-I9 does not hear a stranger whose messages are malformed or refused; a registered UE beside it is heard', () => {
    const rig = new Rig();
    for (let i = 0; i < 11; i++) {
      rig.intake.malformed(stranger);
      rig.intake.finished(stranger, 'INVITE', 403);
    }
    expect(rig.punished).toEqual([stranger.port]);
    for (let i = 0; i < 30; i++) rig.intake.finished(known, 'INVITE', 404);
    for (let i = 0; i < 30; i++) rig.intake.finished(core, 'INVITE', 404);
    expect(rig.punished).toEqual([stranger.port]);
    rig.batch([
      [sip('REGISTER', 'r'), stranger],
      [sip('INVITE', 'i'), stranger],
      [sip('INVITE', 'i'), known],
      [sip('INVITE', 'i'), core],
      [sip('INVITE', 'sos').replace('sip:b@x', 'urn:service:sos'), stranger],
    ]);
    expect(rig.handled).toEqual(['INVITE i', 'INVITE i', 'INVITE sos']);
    expect(rig.sent).toEqual([]);
    expect(rig.intake.counts()).toMatchObject({ penalties: 1, dropped: { penalty: 2 } });
    rig.nowMs += 10_000;
    expect(rig.intake.counts().penalties).toBe(0);
  });

  it.each([401, 407, 408, 423, 480, 486, 487, 500, 503, 504, 600])(
    'X-F1 a stranger is not to blame for a few answers %i',
    (status) => {
      const rig = new Rig();
      for (let i = 0; i < 50; i++) rig.intake.finished(stranger, 'REGISTER', status);
      expect(rig.punished).toEqual([]);
    },
  );

  it('X-F1 strangers are few while registered users or the core suffer', () => {
    const rig = new Rig();
    const flood = () => {
      let handled = 0;
      for (let ms = 0; ms < 1000; ms += 5) {
        rig.nowMs += 5;
        const before = rig.handled.length;
        const source = flowOf(10_000 + Math.floor(Math.random() * 20_000));
        rig.batch([[sip('REGISTER', `n${rig.nowMs}-${Math.random()}`), source]]);
        if (rig.handled.length > before) {
          handled++;
          rig.intake.finished(source, 'REGISTER', 403);
        }
      }
      return handled;
    };
    rig.workMs = 0.1;
    expect(flood()).toBe(200);
    rig.batch([[`SIP/2.0 503 Service Unavailable\r\nCall-ID: x\r\n\r\n`, core]]);
    const after = flood();
    expect(after).toBeLessThan(130);
    expect(after).toBeGreaterThan(60);
    // What answers a challenge is work under way.
    const phone = flowOf(7777);
    rig.intake.finished(phone, 'REGISTER', 401);
    for (let i = 0; i < 200; i++) rig.batch([[sip('REGISTER', `x${i}`), stranger]]);
    rig.handled.length = 0;
    rig.batch([[sip('REGISTER', 'answer', 'Authorization: Digest response="12"\r\n'), phone]]);
    expect(rig.handled).toEqual(['REGISTER answer']);
  });

  it('X-F1 X-I20 answers no more than a hundred strangers a second with 503, registered users always', () => {
    const rig = new Rig();
    rig.load(2_000);
    rig.batch(from(many('INVITE', 300), stranger));
    expect(rig.sent.length).toBe(100);
    expect(rig.intake.counts().dropped.silent).toBe(200);
    rig.batch(from(many('INVITE', 300, 'k'), known));
    expect(rig.sent.length).toBe(400);
  });

  it('P-81 P-143 answers 503 by the way of the answers to a UE, and to all others where they sent from', () => {
    const way: Flow = { ...known, listener: 2, port: 7002 };
    const rig = new Rig({}, { answerFlow: (flow) => (flow === known ? way : flow) });
    rig.load(2_000);
    rig.batch(from(many('INVITE', 1, 'k'), known));
    rig.batch(from(many('INVITE', 1), stranger));
    expect(rig.sent.map(({ target }) => target)).toEqual([way, stranger]);
  });

  it('X-I9 has a bucket for the REGISTERs of an address where one is configured', () => {
    const rig = new Rig({ registersPerSource: 5 });
    rig.workMs = 0.01;
    rig.batch(many('REGISTER', 30).map((text, i) => [text, flowOf(7000 + i)] as const));
    expect(rig.handled.length).toBe(10);
    expect(rig.refused.length).toBe(20);
    rig.handled.length = 0;
    rig.batch(from(many('REGISTER', 30, 'k'), known));
    expect(rig.handled.length).toBe(30);
  });
});
