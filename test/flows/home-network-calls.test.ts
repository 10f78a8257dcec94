import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UeOptions } from '#lab/ue/ue';
import { type Usim, usimOf } from '#lab/ue/usim';
import { callManagement } from '#manage/management-client';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import type { Lines, RawUe } from '../torture/raw-ue.ts';
import { fieldOf, fieldsOf, HomeNetwork, type HomePhone } from './home-network.ts';
import { sleep, until } from './resilient-lab.ts';

const hasV6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));
const sdp = (media: string) => `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${media}\r\n`;
const offer = sdp('m=audio 49170 RTP/AVP 97 0\r\na=rtpmap:97 AMR-WB/16000\r\na=x-odd:  kept   as it is');
const answerBody = sdp('m=audio 49270 RTP/AVP 97\r\na=rtpmap:97 AMR-WB/16000');
const qos = (own: string, other: string) =>
  `a=curr:qos local ${own}\r\na=curr:qos remote ${other}\r\na=des:qos mandatory local sendrecv\r\na=des:qos mandatory remote sendrecv`;
const withSdp = { 'Content-Type': 'application/sdp' };

const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);
const statusOf = (text: string) => Number(text.slice(8, 11));
const tagIn = (field: string | null) => /;tag=([^;]+)/.exec(field ?? '')?.[1] ?? '';
const addressIn = (field: string | null) => /<([^>]+)>/.exec(field ?? '')![1]!;
const cseqOf = (text: string) => fieldOf(text, 'CSeq')!;
const own = ({ peer }: RawUe) => `<sip:${peer.address}:${peer.port}>`;

/** A response of a phone to a request that it has got; `tag`: of To. */
function responseTo(ue: RawUe, request: string, status: number, tag: string, lines: Lines = {}, body = ''): string {
  const head = request.split('\r\n\r\n', 1)[0]!.split('\r\n');
  const kept = head.filter((line) => /^(Via|Record-Route|From|Call-ID|CSeq):/i.test(line));
  const to = fieldOf(request, 'To')!;
  const fields: Lines = {
    To: to.includes(';tag=') ? to : `${to};tag=${tag}`,
    Contact: own(ue),
    ...(body === '' ? {} : withSdp),
    ...lines,
    'Content-Length': String(body.length),
  };
  const written = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return [`SIP/2.0 ${status} As scripted`, ...kept, ...written, '', body].join('\r\n');
}

/** One side of a dialog, in the hands of the script. */
class Leg {
  readonly ue: RawUe;
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  readonly target: string;
  readonly routes: readonly string[];
  /** CSeq number of the INVITE, which is that of its ACK. */
  readonly opened: number;
  cseq: number;

  constructor(ue: RawUe, message: string, side: 'caller' | 'callee', tag = '') {
    const routes = fieldsOf(message, 'Record-Route').flatMap((line) => line.split(/,\s*(?=<)/));
    const [from, to] = [fieldOf(message, 'From')!, fieldOf(message, 'To')!];
    this.ue = ue;
    this.callId = fieldOf(message, 'Call-ID')!;
    this.target = addressIn(fieldOf(message, 'Contact'));
    [this.local, this.remote] = side === 'caller' ? [from, to] : [`${to};tag=${tag}`, from];
    this.routes = side === 'caller' ? routes.reverse() : routes;
    this.opened = Number.parseInt(cseqOf(message), 10);
    this.cseq = side === 'caller' ? this.opened : 0;
  }

  /** Sends a request inside the dialog; gives its text. */
  async send(method: string, lines: Lines = {}, body = ''): Promise<string> {
    const number = method === 'ACK' ? this.opened : ++this.cseq;
    const fields: Lines = {
      From: this.local,
      To: this.remote,
      'Call-ID': this.callId,
      CSeq: `${number} ${method}`,
      ...(method === 'ACK' || method === 'BYE' ? {} : { Contact: own(this.ue) }),
      ...(body === '' ? {} : withSdp),
      ...lines,
    };
    const routes = this.routes.map((route) => `Route: ${route}`);
    const { text } = this.ue.request(method, this.target, fields, routes, body);
    await this.ue.send(text);
    return text;
  }

  /** The same, with its final answer. */
  async ask(method: string, lines: Lines = {}, body = ''): Promise<string> {
    const cseq = cseqOf(await this.send(method, lines, body));
    return mustHear(
      this.ue,
      `answer to ${method}`,
      (text) => isAnswer(text, this.callId, cseq) && statusOf(text) >= 200,
    );
  }
}

function isAnswer(text: string, callId: string, cseq: string): boolean {
  return text.startsWith('SIP/2.0 ') && fieldOf(text, 'Call-ID') === callId && cseqOf(text) === cseq;
}

async function mustHear(ue: RawUe, words: string, fits: (text: string) => boolean, ms = 5_000): Promise<string> {
  const text = await ue.peer.next(fits, ms);
  if (text === null)
    throw new Error(
      `${words} did not come; heard: ${ue.peer.heard.map((each) => each.split('\r\n', 1)[0]).join(' | ')}`,
    );
  return text;
}

/** A call between scripted phones. */
class Script {
  readonly caller: RawUe;
  readonly invite: string;
  readonly callId: string;

  constructor(caller: RawUe, invite: { readonly text: string; readonly callId: string }) {
    this.caller = caller;
    this.invite = invite.text;
    this.callId = invite.callId;
  }

  static async dial(caller: RawUe, to: string, lines: Lines = {}, body = offer): Promise<Script> {
    const invite = caller.request(
      'INVITE',
      to,
      { Contact: own(caller), ...(body === '' ? {} : withSdp), ...lines },
      [],
      body,
    );
    await caller.send(invite.text);
    return new Script(caller, invite);
  }

  /** The next response to the INVITE with this status that the caller hears. */
  status(status: number, ms?: number): Promise<string> {
    const cseq = cseqOf(this.invite);
    const fits = (text: string) => isAnswer(text, this.callId, cseq) && statusOf(text) === status;
    return mustHear(this.caller, `${status} to INVITE`, fits, ms);
  }

  /** Different statuses over 100 of responses to the INVITE that the caller has heard, in order. */
  statuses(): number[] {
    const cseq = cseqOf(this.invite);
    const all = this.caller.peer.heard.filter((text) => isAnswer(text, this.callId, cseq)).map(statusOf);
    return [...new Set(all)].filter((status) => status > 100);
  }

  /** The next request with a method that a phone hears of this call. */
  at(ue: RawUe, method: string, ms?: number): Promise<string> {
    const fits = (text: string) => text.startsWith(`${method} `) && fieldOf(text, 'Call-ID') === this.callId;
    return mustHear(ue, method, fits, ms);
  }

  /** Requests with a method that a phone has heard of this call, those sent again as well. */
  heardAt(ue: RawUe, method: string): string[] {
    return ue.peer.heard.filter((text) => text.startsWith(`${method} `) && fieldOf(text, 'Call-ID') === this.callId);
  }

  /** ACK or CANCEL of the caller's INVITE: of its own transaction. `answer`: the one that is acknowledged. */
  async ofInvite(method: 'ACK' | 'CANCEL', answer?: string): Promise<void> {
    const head = this.invite.split('\r\n\r\n', 1)[0]!.split('\r\n');
    const kept = head.filter((line) => /^(Via|Route|From|Call-ID|Max-Forwards):/i.test(line));
    const to = `To: ${fieldOf(answer ?? this.invite, 'To')}`;
    const cseq = `CSeq: ${Number.parseInt(cseqOf(this.invite), 10)} ${method}`;
    const first = this.invite.split('\r\n', 1)[0]!.replace('INVITE', method);
    await this.caller.send([first, ...kept, to, cseq, 'Content-Length: 0', '', ''].join('\r\n'));
  }

  async cancel(): Promise<string> {
    await this.ofInvite('CANCEL');
    const cseq = cseqOf(this.invite).replace('INVITE', 'CANCEL');
    return mustHear(this.caller, 'answer to CANCEL', (text) => isAnswer(text, this.callId, cseq));
  }
}

/** Answers the next request of a kind that a phone hears. */
async function answerAt(script: Script, ue: RawUe, method: string, lines: Lines = {}, body = ''): Promise<string> {
  const request = await script.at(ue, method);
  await ue.send(responseTo(ue, request, 200, '', lines, body));
  return request;
}

/** Hangs up, with the 200 of the other end. */
async function release(script: Script, leg: Leg, other: RawUe): Promise<void> {
  const [answer] = await Promise.all([leg.ask('BYE'), answerAt(script, other, 'BYE')]);
  expect(statusOf(answer)).toBe(200);
}

/** Rings, is answered and acknowledged. */
async function established(caller: RawUe, callee: RawUe, lines: Lines = {}, accepted: Lines = {}) {
  const script = await Script.dial(caller, callee.impu, lines);
  const invite = await script.at(callee, 'INVITE');
  await callee.send(responseTo(callee, invite, 180, 'b'));
  await script.status(180);
  await callee.send(responseTo(callee, invite, 200, 'b', accepted, answerBody));
  const ok = await script.status(200);
  const out = new Leg(caller, ok, 'caller');
  await out.send('ACK');
  await script.at(callee, 'ACK');
  return { script, invite, ok, out, into: new Leg(callee, invite, 'callee', 'b') };
}

describe('I.11 calls of scripted phones, without IPsec', () => {
  let net: HomeNetwork;
  let ann: RawUe;
  let ben: RawUe;
  /** Two phones that one user has, each its own instance. */
  let left: RawUe;
  let right: RawUe;
  beforeAll(async () => {
    net = await HomeNetwork.start();
    [ann, ben, left, right] = [await net.raw(401), await net.raw(402), await net.raw(403), await net.raw(403)];
    await ann.register();
    await ben.register();
    for (const [number, ue] of [left, right].entries()) {
      const instance = `<urn:uuid:00000000-0000-1000-8000-00000000040${number}>`;
      const contact = `<sip:u@${ue.peer.address}:${ue.peer.port}>;+sip.instance="${instance}";reg-id=1`;
      await ue.register({ Supported: 'path, outbound, gruu', Contact: contact });
    }
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });

  it('P-104 C-09 C-07 delayed offer: the offer is in the 200, the answer in the ACK', async () => {
    const script = await Script.dial(ann, ben.impu, { Supported: '100rel' }, '');
    const invite = await script.at(ben, 'INVITE');
    expect(bodyOf(invite)).toBe('');
    expect(fieldOf(invite, 'Content-Type')).toBeNull();
    await ben.send(responseTo(ben, invite, 180, 'b'));
    expect(bodyOf(await script.status(180))).toBe('');
    await ben.send(responseTo(ben, invite, 200, 'b', {}, offer));
    const ok = await script.status(200);
    expect(bodyOf(ok)).toBe(offer);
    const leg = new Leg(ann, ok, 'caller');
    await leg.send('ACK', {}, answerBody);
    expect(bodyOf(await script.at(ben, 'ACK'))).toBe(answerBody);
    await release(script, leg, ben);
  });

  it('P-104 C-09 delayed offer in a reliable 183: the answer goes by PRACK, both untouched', async () => {
    const script = await Script.dial(ann, ben.impu, { Supported: '100rel, precondition' }, '');
    const invite = await script.at(ben, 'INVITE');
    await ben.send(responseTo(ben, invite, 183, 'b', { Require: '100rel', RSeq: '7001' }, offer));
    const early = await script.status(183);
    expect([fieldOf(early, 'Require'), fieldOf(early, 'RSeq'), bodyOf(early)]).toEqual(['100rel', '7001', offer]);
    const leg = new Leg(ann, early, 'caller');
    const rack = `7001 ${cseqOf(script.invite)}`;
    const [answer, prack] = await Promise.all([
      leg.ask('PRACK', { RAck: rack }, answerBody),
      answerAt(script, ben, 'PRACK'),
    ]);
    expect(statusOf(answer)).toBe(200);
    expect([fieldOf(prack, 'RAck'), bodyOf(prack)]).toEqual([rack, answerBody]);
    await ben.send(responseTo(ben, invite, 200, 'b'));
    await script.status(200);
    await leg.send('ACK');
    await script.at(ben, 'ACK');
    await release(script, leg, ben);
  });

  it('P-104 C-09 preconditions: 183, PRACK, UPDATE, 180, PRACK, 200 with what each says as it was said', async () => {
    const asked = { Supported: '100rel, precondition', 'P-Early-Media': 'supported' };
    const first = `${offer}${qos('none', 'none')}\r\n`;
    const script = await Script.dial(ann, ben.impu, asked, first);
    const invite = await script.at(ben, 'INVITE');
    expect(bodyOf(invite)).toBe(first);
    expect(fieldsOf(invite, 'Supported').join()).toMatch(/100rel, *precondition/);
    expect(fieldOf(invite, 'P-Early-Media')).toBe('supported');
    const reliable = { Require: '100rel, precondition', RSeq: '1', 'P-Early-Media': 'sendrecv' };
    const second = `${answerBody}${qos('none', 'none')}\r\na=conf:qos remote sendrecv\r\n`;
    await ben.send(responseTo(ben, invite, 183, 'b', reliable, second));
    const early = await script.status(183);
    expect([fieldOf(early, 'Require'), fieldOf(early, 'P-Early-Media'), bodyOf(early)]).toEqual([
      '100rel, precondition',
      'sendrecv',
      second,
    ]);
    const leg = new Leg(ann, early, 'caller');
    const cseq = cseqOf(script.invite);
    const acknowledged = async (rseq: number) => {
      const lines = { RAck: `${rseq} ${cseq}` };
      const [answer, prack] = await Promise.all([leg.ask('PRACK', lines), answerAt(script, ben, 'PRACK')]);
      expect([statusOf(answer), fieldOf(prack, 'RAck')]).toEqual([200, lines.RAck]);
    };
    await acknowledged(1);
    const third = `${offer}${qos('sendrecv', 'none')}\r\n`;
    const fourth = `${answerBody}${qos('sendrecv', 'sendrecv')}\r\n`;
    const [updated, update] = await Promise.all([
      leg.ask('UPDATE', { Require: 'precondition' }, third),
      answerAt(script, ben, 'UPDATE', { Require: 'precondition' }, fourth),
    ]);
    expect([statusOf(updated), bodyOf(updated), fieldOf(updated, 'Require')]).toEqual([200, fourth, 'precondition']);
    expect([bodyOf(update), fieldOf(update, 'Require')]).toEqual([third, 'precondition']);
    await ben.send(responseTo(ben, invite, 180, 'b', { Require: '100rel', RSeq: '2' }));
    expect(fieldOf(await script.status(180), 'RSeq')).toBe('2');
    await acknowledged(2);
    await ben.send(responseTo(ben, invite, 200, 'b'));
    await script.status(200);
    await leg.send('ACK');
    await script.at(ben, 'ACK');
    await release(script, leg, ben);
  });

  it('C-37 C-08 P-102 early media with two To tags: two dialogs, each with its own PRACK; one is answered', async () => {
    const script = await Script.dial(ann, ben.impu, { Supported: '100rel', 'P-Early-Media': 'supported' });
    const invite = await script.at(ben, 'INVITE');
    const bodies = { one: answerBody, two: answerBody.replace('49270', '49370') };
    const legs = new Map<string, Leg>();
    for (const tag of ['one', 'two'] as const) {
      const lines = {
        Require: '100rel',
        RSeq: '5',
        'P-Early-Media': 'sendonly',
        Contact: `<sip:${tag}@${ben.peer.address}:${ben.peer.port}>`,
      };
      await ben.send(responseTo(ben, invite, 183, tag, lines, bodies[tag]));
      const early = await script.status(183);
      expect([tagIn(fieldOf(early, 'To')), bodyOf(early), fieldOf(early, 'P-Early-Media')]).toEqual([
        tag,
        bodies[tag],
        'sendonly',
      ]);
      legs.set(tag, new Leg(ann, early, 'caller'));
    }
    for (const tag of ['two', 'one']) {
      const [answer, prack] = await Promise.all([
        legs.get(tag)!.ask('PRACK', { RAck: `5 ${cseqOf(script.invite)}` }),
        answerAt(script, ben, 'PRACK'),
      ]);
      expect(statusOf(answer)).toBe(200);
      expect(tagIn(fieldOf(prack, 'To'))).toBe(tag);
      expect(prack).toMatch(new RegExp(`^PRACK sip:${tag}@`));
    }
    await ben.send(responseTo(ben, invite, 200, 'two', { Contact: `<sip:two@${ben.peer.address}:${ben.peer.port}>` }));
    const ok = await script.status(200);
    expect(tagIn(fieldOf(ok, 'To'))).toBe('two');
    const leg = legs.get('two')!;
    await leg.send('ACK');
    expect(tagIn(fieldOf(await script.at(ben, 'ACK'), 'To'))).toBe('two');
    await release(script, leg, ben);
  });

  it('S-123 C-08 two contacts, one is busy: the caller hears the other one ring and answer, and nothing of the 486', async () => {
    const script = await Script.dial(ann, left.impu);
    const [first, second] = [await script.at(left, 'INVITE'), await script.at(right, 'INVITE')];
    await left.send(responseTo(left, first, 486, 'l'));
    await script.at(left, 'ACK');
    await right.send(responseTo(right, second, 180, 'r'));
    await script.status(180);
    await right.send(responseTo(right, second, 200, 'r', {}, answerBody));
    const leg = new Leg(ann, await script.status(200), 'caller');
    await leg.send('ACK');
    await script.at(right, 'ACK');
    await release(script, leg, right);
    expect(script.statuses()).toEqual([180, 200]);
    expect(script.heardAt(left, 'CANCEL')).toEqual([]);
    expect(script.heardAt(right, 'CANCEL')).toEqual([]);
  });

  it('S-123 C-08 a 6xx wins over a 486 and over who rings, who is cancelled', async () => {
    const ringing = await Script.dial(ann, left.impu);
    const [first, second] = [await ringing.at(left, 'INVITE'), await ringing.at(right, 'INVITE')];
    await left.send(responseTo(left, first, 180, 'l'));
    await ringing.status(180);
    await right.send(responseTo(right, second, 603, 'r'));
    await answerAt(ringing, left, 'CANCEL');
    await left.send(responseTo(left, first, 487, 'l'));
    await ringing.at(left, 'ACK');
    const refusal = await ringing.status(603);
    await ringing.ofInvite('ACK', refusal);
    expect(ringing.statuses()).toEqual([180, 603]);

    const busy = await Script.dial(ann, left.impu);
    const [third, fourth] = [await busy.at(left, 'INVITE'), await busy.at(right, 'INVITE')];
    await left.send(responseTo(left, third, 486, 'l'));
    await busy.at(left, 'ACK');
    await right.send(responseTo(right, fourth, 606, 'r'));
    await busy.ofInvite('ACK', await busy.status(606));
    expect(busy.statuses()).toEqual([606]);
  });

  it('C-06 S-123 CANCEL before any 1xx waits at the last hop until the phone has said something', async () => {
    const script = await Script.dial(ann, ben.impu);
    const invite = await script.at(ben, 'INVITE');
    expect(statusOf(await script.cancel())).toBe(200);
    await sleep(500);
    expect(script.heardAt(ben, 'CANCEL')).toEqual([]);
    expect(script.statuses()).toEqual([]);
    await ben.send(responseTo(ben, invite, 180, 'b'));
    const cancel = await answerAt(script, ben, 'CANCEL');
    expect(fieldOf(cancel, 'Via')).toBe(fieldOf(invite, 'Via'));
    await ben.send(responseTo(ben, invite, 487, 'b'));
    await script.at(ben, 'ACK');
    await script.ofInvite('ACK', await script.status(487));
    expect(script.statuses().at(-1)).toBe(487);
  });

  it('C-06 a 200 that crosses the CANCEL is the answer: it is acknowledged and the call can be ended', async () => {
    const script = await Script.dial(ann, ben.impu);
    const invite = await script.at(ben, 'INVITE');
    await ben.send(responseTo(ben, invite, 180, 'b'));
    await script.status(180);
    const accepted = responseTo(ben, invite, 200, 'b', {}, answerBody);
    const [canceled, cancel] = await Promise.all([script.cancel(), script.at(ben, 'CANCEL')]);
    expect(statusOf(canceled)).toBe(200);
    // As the phone has it: the 200 was under way when the CANCEL came.
    await ben.send(accepted);
    await ben.send(responseTo(ben, cancel, 200, 'b'));
    const leg = new Leg(ann, await script.status(200), 'caller');
    await leg.send('ACK');
    await script.at(ben, 'ACK');
    await release(script, leg, ben);
    expect(script.statuses()).toEqual([180, 200]);
  });

  it('C-06 a CANCEL after the 200 changes nothing and does not reach the phone', async () => {
    const { script, out } = await established(ann, ben);
    expect(statusOf(await script.cancel())).toBe(200);
    await sleep(300);
    expect(script.heardAt(ben, 'CANCEL')).toEqual([]);
    await release(script, out, ben);
  });

  it('C-02 C-07 each retransmission of a 2xx arrives, and each ACK; a retransmitted INVITE rings nobody', async () => {
    const script = await Script.dial(ann, ben.impu);
    const invite = await script.at(ben, 'INVITE');
    const accepted = responseTo(ben, invite, 200, 'b', {}, answerBody);
    await ben.send(accepted);
    const ok = await script.status(200);
    // The ACK is lost: the phone says it again.
    for (let again = 0; again < 3; again++) {
      await ben.send(accepted);
      expect(tagIn(fieldOf(await script.status(200), 'To'))).toBe('b');
    }
    await ann.send(script.invite);
    const leg = new Leg(ann, ok, 'caller');
    for (let again = 0; again < 2; again++) {
      await leg.send('ACK', {}, answerBody);
      expect(bodyOf(await script.at(ben, 'ACK'))).toBe(answerBody);
    }
    expect(script.heardAt(ben, 'INVITE')).toHaveLength(1);
    await release(script, leg, ben);
    expect(script.statuses()).toEqual([200]);
  });

  it('C-01 C-07 the ACK of a refusal is lost: the P-CSCF says it again after 2 s, the phone has its ACK at once', async () => {
    const script = await Script.dial(ann, ben.impu);
    const invite = await script.at(ben, 'INVITE');
    await ben.send(responseTo(ben, invite, 486, 'b'));
    await script.at(ben, 'ACK', 1_000);
    const refusal = await script.status(486);
    const startMs = performance.now();
    expect(await script.status(486)).toBe(refusal);
    expect(performance.now() - startMs).toBeGreaterThan(1_800);
    await script.ofInvite('ACK', refusal);
    await sleep(4_500);
    const count = ann.peer.heard.filter(
      (text) => isAnswer(text, script.callId, cseqOf(script.invite)) && statusOf(text) === 486,
    );
    expect(count).toHaveLength(2);
    expect(script.heardAt(ben, 'ACK')).toHaveLength(1);
  }, 20_000);
});

/** Loaded into a daemon and its threads before all else: its monotonic clock runs ahead by the milliseconds in a file. */
const clockProgram = `import{readFileSync}from'node:fs';
const real=performance.now.bind(performance);let ahead=0,looked=-1e9;
performance.now=()=>{const now=real();if(now-looked>20){looked=now;
try{ahead=Math.max(ahead,Number(readFileSync(process.env.CSCF_TEST_CLOCK,'latin1'))||0)}catch{}}return now+ahead}`;

const stepSeconds = 10;

describe('I.15 session timers of scripted phones', () => {
  let net: HomeNetwork;
  let ann: RawUe;
  let ben: RawUe;
  const folder = mkdtempSync(join(tmpdir(), 'cscf-calls-'));
  const file = join(folder, 'ahead');
  let aheadMs = 0;
  /** Time goes on for the daemons, in steps that nobody takes for a thread that hangs. */
  const pass = async (seconds: number) => {
    for (let left = seconds; left > 0; left -= stepSeconds) {
      aheadMs += Math.min(left, stepSeconds) * 1000;
      writeFileSync(file, String(aheadMs));
      await sleep(150);
    }
  };
  beforeAll(async () => {
    writeFileSync(file, '0');
    const { NODE_OPTIONS: before } = process.env;
    const program = `--import=data:text/javascript,${encodeURIComponent(clockProgram)}`;
    Object.assign(process.env, { NODE_OPTIONS: `${before ?? ''} ${program}`, CSCF_TEST_CLOCK: file });
    try {
      net = await HomeNetwork.start({
        change({ pcscf, scscf }) {
          // No longer ones are agreed here, and shorter ones there are none.
          for (const node of [pcscf, scscf]) node.sessionTimer = { defaultSeconds: 100, maxSeconds: 400 };
        },
      });
    } finally {
      delete process.env.CSCF_TEST_CLOCK;
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
    [ann, ben] = [await net.raw(411), await net.raw(412)];
    await ann.register();
    await ben.register();
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(findings).toEqual([]);
  });

  it('S-115 P-80 a caller that supports it is given a timer, and refreshes where the callee does not know it', async () => {
    const { script, invite, ok, out } = await established(ann, ben, { Supported: 'timer' });
    expect(fieldsOf(invite, 'Session-Expires')).toEqual(['100']);
    expect(fieldsOf(ok, 'Session-Expires')).toEqual(['100;refresher=uac']);
    expect(fieldsOf(ok, 'Require')).toEqual(['timer']);
    await release(script, out, ben);
  });

  it('S-115 P-80 a caller that does not support it is given none; what two phones agree on is left alone', async () => {
    const plain = await established(ann, ben);
    expect([...fieldsOf(plain.invite, 'Session-Expires'), ...fieldsOf(plain.ok, 'Session-Expires')]).toEqual([]);
    await release(plain.script, plain.out, ben);

    const agreed = { 'Session-Expires': '300;refresher=uas', Require: 'timer' };
    const asked = { Supported: 'timer', 'Session-Expires': '300', 'Min-SE': '120' };
    const both = await established(ann, ben, asked, agreed);
    expect([fieldsOf(both.invite, 'Session-Expires'), fieldsOf(both.invite, 'Min-SE')]).toEqual([['300'], ['120']]);
    expect([fieldsOf(both.ok, 'Session-Expires'), fieldsOf(both.ok, 'Require')]).toEqual([
      ['300;refresher=uas'],
      ['timer'],
    ]);
    await release(both.script, both.out, ben);

    const long = await established(ann, ben, { Supported: 'timer', 'Session-Expires': '9000' });
    expect(fieldsOf(long.invite, 'Session-Expires')).toEqual(['400']);
    await release(long.script, long.out, ben);
  });

  it('S-115 P-80 the 422 of the callee passes with its Min-SE, and the second attempt as it asks', async () => {
    const refused = await Script.dial(ann, ben.impu, { Supported: 'timer', 'Session-Expires': '90' });
    const invite = await refused.at(ben, 'INVITE');
    expect(fieldsOf(invite, 'Session-Expires')).toEqual(['90']);
    await ben.send(responseTo(ben, invite, 422, 'b', { 'Min-SE': '350' }));
    await refused.at(ben, 'ACK');
    const answer = await refused.status(422);
    expect(fieldsOf(answer, 'Min-SE')).toEqual(['350']);
    // Not one of ours.
    expect(fieldOf(answer, 'Warning')).toBeNull();
    expect(tagIn(fieldOf(answer, 'To'))).toBe('b');
    await refused.ofInvite('ACK', answer);
    const asked = { Supported: 'timer', 'Session-Expires': '350', 'Min-SE': '350' };
    const { script, invite: second, out } = await established(ann, ben, asked);
    expect([fieldsOf(second, 'Session-Expires'), fieldsOf(second, 'Min-SE')]).toEqual([['350'], ['350']]);
    await release(script, out, ben);
  });

  it('S-115 P-80 too short an interval is 422 with Min-SE before it rings; who cannot be told has it raised', async () => {
    const refused = await Script.dial(ann, ben.impu, { Supported: 'timer', 'Session-Expires': '60' });
    const answer = await refused.status(422);
    expect(fieldsOf(answer, 'Min-SE')).toEqual(['90']);
    await refused.ofInvite('ACK', answer);
    expect(refused.heardAt(ben, 'INVITE')).toEqual([]);
    const raised = await established(ann, ben, { 'Session-Expires': '60' });
    expect([fieldsOf(raised.invite, 'Session-Expires'), fieldsOf(raised.invite, 'Min-SE')]).toEqual([['90'], ['90']]);
    await release(raised.script, raised.out, ben);
  });

  it('S-130 P-110 P-112 a session that is refreshed goes on; when nobody does any more both phones get one BYE', async () => {
    const timed = { Supported: 'timer', 'Session-Expires': '90;refresher=uac' };
    const agreed = { 'Session-Expires': '90;refresher=uac', Require: 'timer' };
    const { script, out } = await established(ann, ben, timed, agreed);
    const untimed = await established(ann, ben);
    for (let again = 0; again < 2; again++) {
      await pass(80);
      const [updated] = await Promise.all([out.ask('UPDATE', timed), answerAt(script, ben, 'UPDATE', agreed)]);
      expect(statusOf(updated)).toBe(200);
    }
    expect([...script.heardAt(ann, 'BYE'), ...script.heardAt(ben, 'BYE')]).toEqual([]);
    await pass(88);
    expect([...script.heardAt(ann, 'BYE'), ...script.heardAt(ben, 'BYE')]).toEqual([]);
    await pass(40);
    const byes = await Promise.all([ann, ben].map((ue) => answerAt(script, ue, 'BYE')));
    for (const bye of byes) expect(fieldOf(bye, 'Reason')).toMatch(/^SIP *;cause=(480|503)/);
    // Of the caller's side and of the callee's: as the phones count.
    expect(byes.map((bye) => [tagIn(fieldOf(bye, 'From')), tagIn(fieldOf(bye, 'To'))])).toEqual([
      ['b', tagIn(fieldOf(script.invite, 'From'))],
      [tagIn(fieldOf(script.invite, 'From')), 'b'],
    ]);
    await sleep(500);
    for (const ue of [ann, ben]) expect(new Set(script.heardAt(ue, 'BYE').map(cseqOf)).size).toBe(1);
    // The one without timer does not end.
    for (const ue of [ann, ben]) expect(untimed.script.heardAt(ue, 'BYE')).toEqual([]);
    // A watchdog may have run out as well while time went so fast.
    for (const role of ['icscf', 'scscf'] as const) {
      await until(`${role} is connected`, async () =>
        (await net.status(role)).peers.every(({ state }) => state.startsWith('open-')),
      );
    }
    await release(untimed.script, untimed.out, ben);
  }, 40_000);

  it('S-130 P-112 C-09 BYE of both at once: each reaches the other end and is answered', async () => {
    const { script, out, into } = await established(ann, ben);
    expect(await sessionsOf(script)).toBeGreaterThanOrEqual(2);
    const [first, second] = [await out.send('BYE'), await into.send('BYE')];
    const heard = await Promise.all([script.at(ben, 'BYE'), script.at(ann, 'BYE')]);
    expect(heard.map(cseqOf)).toEqual([first, second].map(cseqOf));
    await ben.send(responseTo(ben, heard[0], 200, ''));
    await ann.send(responseTo(ann, heard[1], 200, ''));
    for (const [ue, bye] of [
      [ann, first],
      [ben, second],
    ] as const) {
      const answer = await mustHear(ue, 'answer to BYE', (text) => isAnswer(text, script.callId, cseqOf(bye)));
      expect(statusOf(answer)).toBe(200);
    }
    await sleep(300);
    for (const ue of [ann, ben]) expect(script.heardAt(ue, 'BYE')).toHaveLength(1);
    // Nothing is left of the call: neither node ends it again when its time comes.
    await until('no session is left', async () => (await sessionsOf(script)) === 0);
  });

  /** Sessions that P-CSCF and S-CSCF have of a call. */
  async function sessionsOf({ callId }: Script): Promise<number> {
    const list = (role: string) => callManagement(join(net.folder, `${role}.sock`), 'dialogs.list', { filter: callId });
    const lists = (await Promise.all(['pcscf', 'scscf'].map(list))) as unknown[][];
    return lists.flat().length;
  }
});

const avp = { authenticate: 609, authorization: 610, item: 612, ck: 625, ik: 626 } as const;

/** AVPs with values changed, in groups of SIP-Auth-Data-Item as well. `change` gives null for what stays. */
function changeAvps(avps: Buffer, change: (code: number, value: Buffer) => Buffer | null): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < avps.length; ) {
    const code = avps.readUInt32BE(at);
    const length = avps.readUIntBE(at + 5, 3);
    const start = avps[at + 4]! >= 0x80 ? 12 : 8;
    const old = avps.subarray(at + start, at + length);
    const value = code === avp.item ? changeAvps(old, change) : (change(code, old) ?? old);
    const head = Buffer.from(avps.subarray(at, at + start));
    head.writeUIntBE(start + value.length, 5, 3);
    out.push(head, value, Buffer.alloc(-value.length & 3));
    at += (length + 3) & ~3;
  }
  return Buffer.concat(out);
}

/** What becomes of an MAA on its way to the S-CSCF. */
function changedAnswer(change: (code: number, value: Buffer) => Buffer | null) {
  return {
    octets(answer: Buffer): Buffer {
      const avps = changeAvps(answer.subarray(20), change);
      const head = Buffer.from(answer.subarray(0, 20));
      head.writeUIntBE(20 + avps.length, 1, 3);
      return Buffer.concat([head, avps]);
    },
  };
}

/** XRES of another length, as other algorithms than Milenage have it: cut, or said twice. */
const ofLength = (xres: Buffer, length: number) => Buffer.concat([xres, xres, xres]).subarray(0, length);

describe.each([
  ['with', true],
  ['without', false],
] as const)('I.1 AKA %s qop', (_name, qop) => {
  let net: HomeNetwork;
  /** Challenges and credentials of alice. */
  const challenges: string[] = [];
  const credentials: string[] = [];
  const usimOfAlice = () => usimOf(net.config.phones[0]);
  beforeAll(async () => {
    net = await HomeNetwork.start({
      relay: true,
      change({ pcscf, scscf }, { ports }) {
        const { gm } = pcscf.listeners as { gm: string[] };
        if (hasV6) gm.push(`udp:[::1]:${ports.gm}`, `tcp:[::1]:${ports.gm}`);
        Object.assign(scscf.auth as object, { qop });
      },
    });
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });

  async function alice(usim: Usim, how: Partial<UeOptions> = {}): Promise<HomePhone> {
    for (const list of [challenges, credentials]) list.length = 0;
    const trace: UeOptions['trace'] = {
      sip(dir, text) {
        const value = fieldOf(text, dir === 'in' ? 'WWW-Authenticate' : 'Authorization');
        if (value !== null) (dir === 'in' ? challenges : credentials).push(value);
      },
      diameter() {},
    };
    const { impi } = net.config.phones[0];
    return net.phone('alice', { credentials: { impi: impi!, usim }, refresh: false, trace, ...how });
  }

  it.each([
    ['udp', 'IPv4', '127.0.0.1'],
    ['tcp', 'IPv4', '127.0.0.1'],
  ] as const)('S-08 S-10 C-10 registers by %s over %s, and leaves', registers);
  it.skipIf(!hasV6).each([
    ['udp', 'IPv6', '::1'],
    ['tcp', 'IPv6', '::1'],
  ] as const)('S-08 S-10 C-10 registers by %s over %s, and leaves', registers);

  async function registers(transport: 'udp' | 'tcp', _family: string, address: string): Promise<void> {
    const phone = await alice(usimOfAlice(), { transport, proxy: { address, port: net.config.ports.gm } });
    expect(await phone.register()).toContain(phone.ue.impu);
    expect(challenges).toHaveLength(1);
    expect(/qop="?auth/.test(challenges[0]!)).toBe(qop);
    expect(challenges[0]).toMatch(/algorithm="?AKAv1-MD5/);
    expect(credentials.at(-1)!.includes('cnonce=')).toBe(qop);
    expect(await net.stateOf(phone.ue.impu)).toEqual(['registered']);
    await phone.ue.deregister();
    expect(await net.stateOf(phone.ue.impu)).not.toEqual(['registered']);
  }

  it.each([4, 8, 12, 16])('S-06 S-10 an XRES of %i octets is compared in full', async (length) => {
    const maa = changedAnswer((code, value) => (code === avp.authorization ? ofLength(value, length) : null));
    const usim = usimOfAlice();
    const answer = usim.answer.bind(usim);
    let given = length;
    usim.answer = (rand, autn) => {
      const outcome = answer(rand, autn);
      return outcome.kind === 'accepted' ? { ...outcome, res: ofLength(outcome.res, given) } : outcome;
    };
    net.relay!.next('MAR', maa);
    const phone = await alice(usim);
    await phone.register();
    expect(net.relay!.isDone).toBe(true);
    await phone.ue.deregister();
    // One octet less or more is another password.
    given = length === 4 ? 5 : length - 1;
    net.relay!.next('MAR', maa, { times: 10 });
    await expect(phone.register()).rejects.toThrow('403');
    net.relay!.clear();
  });

  it.each([3, 17])('S-06 an XRES of %i octets is none: nobody is challenged by it', async (length) => {
    net.relay!.next(
      'MAR',
      changedAnswer((code, value) => (code === avp.authorization ? ofLength(value, length) : null)),
    );
    const phone = await alice(usimOfAlice());
    await expect(phone.register()).rejects.toThrow(/^REGISTER was answered 5/);
    expect(challenges).toEqual([]);
    await phone.register();
  });

  it('S-06 S-08 S-10 RAND and AUTN with NUL octets come through the nonce', async () => {
    const { k, op, opc, amf } = net.config.phones[0];
    const key = Buffer.from(k, 'hex');
    const milenage = new Milenage(
      key,
      opc === undefined ? opcFromOp(key, Buffer.from(op!, 'hex')) : Buffer.from(opc, 'hex'),
    );
    const usim = usimOfAlice();
    let sent = Buffer.alloc(0);
    net.relay!.next(
      'MAR',
      (() => {
        let vector = milenage.generateVector(Buffer.alloc(16), 0, 0);
        return changedAnswer((code, value) => {
          if (code === avp.authenticate) {
            const { sqn } = milenage.verifyAutn(value.subarray(0, 16), value.subarray(16));
            for (;;) {
              const rand = Buffer.concat([Buffer.alloc(3), randomBytes(10), Buffer.alloc(3)]);
              vector = milenage.generateVector(rand, sqn, Number.parseInt(amf ?? '8000', 16));
              sent = Buffer.concat([rand, vector.autn]);
              if (vector.autn.includes(0) && vector.xres.includes(0)) return sent;
            }
          }
          if (code === avp.authorization) return vector.xres;
          if (code === avp.ck) return vector.ck;
          return code === avp.ik ? vector.ik : null;
        });
      })(),
    );
    const phone = await alice(usim);
    await phone.register();
    const nonce = Buffer.from(/nonce="([^"]+)"/.exec(challenges[0]!)![1]!, 'base64');
    expect(nonce.subarray(0, 32).equals(sent)).toBe(true);
    expect(challenges).toHaveLength(1);
  });
});
