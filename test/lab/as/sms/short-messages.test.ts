import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Deliver, readDeliver } from '#lab/as/sms/deliver';
import { type RpMessage, readRpMessage, writeRpMessage } from '#lab/as/sms/rp-message';
import { type Submit, writeSubmit } from '#lab/as/sms/submit';
import { textOfUserData, userDataOfText } from '#lab/as/sms/user-data';
import { ParseFailure } from '#sip/errors';
import { type AsRig, body, type Fields, field, head, heard, openRig, starts } from '../as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig({ numbers: new Map([['+15550002', 'sip:bob@ims.test']]) });
});
afterEach(() => rig.close());

const sms = { 'Content-Type': 'application/vnd.3gpp.sms' };
const latin1 = (octets: Uint8Array) => Buffer.from(octets).toString('latin1');
let sequence = 0;

async function register(identity: string, expires = 600): Promise<void> {
  const contact = `sip:127.0.0.1:${rig.far.port}`;
  const fields = {
    From: `<${contact}>;tag=s`,
    To: `<${identity}>`,
    Contact: `<${contact}>`,
    Expires: String(expires),
    'Call-ID': `register-${++sequence}`,
  };
  await rig.send(rig.request('REGISTER', `sip:ipsmgw@127.0.0.1:${rig.server.port}`, fields));
  await heard(rig.near, '200');
}

/** A MESSAGE of a phone, as the S-CSCF brings it. */
function message(from: string, rp: RpMessage, fields: Fields = {}): string {
  const all = {
    Route: `${rig.route('ipsmgw')}, ${rig.odi}`,
    'P-Asserted-Identity': from,
    'Call-ID': `sms-${++sequence}`,
    ...sms,
    ...fields,
  };
  return rig.request('MESSAGE', 'tel:+15559999', all, latin1(writeRpMessage(rp)));
}

const alice = '<sip:alice@ims.test>, <tel:+15550001>';
const bob = '<sip:bob@ims.test>';

function submit(text: string, parts: Partial<Submit> = {}): RpMessage {
  const userData = userDataOfText(text)!;
  const all = {
    reference: 9,
    destination: '+15550002',
    protocol: 0,
    userData,
    statusReport: false,
    validitySeconds: null,
  };
  const tpdu = writeSubmit({ ...all, ...parts });
  return {
    kind: 'data',
    direction: 'to-network',
    reference: 33,
    originator: '',
    destination: '+15559999',
    userData: tpdu,
  };
}

function rpOf(sip: string): RpMessage {
  const rp = readRpMessage(Buffer.from(body(sip), 'latin1'));
  if (rp instanceof ParseFailure) throw new Error(rp.reason);
  return rp;
}

function deliverOf(sip: string): Deliver {
  const rp = rpOf(sip);
  const deliver = rp.kind === 'data' ? readDeliver(rp.userData) : new ParseFailure(`RP ${rp.kind}`);
  if (deliver instanceof ParseFailure) throw new Error(deliver.reason);
  return deliver;
}

/** The next MESSAGE to somebody, answered 200 unless told otherwise. */
async function toPhone(uri: string, status = '200 OK'): Promise<string> {
  const found = await rig.far.next((text) => text.startsWith(`MESSAGE ${uri} `));
  if (found === null) throw new Error(`nothing came to ${uri}; ${JSON.stringify(rig.far.heard.map(head))}`);
  await rig.send(rig.answer(found, status), rig.far);
  return found;
}

/** The report of a phone on what it got. */
function report(delivered: string, from: string, kind: 'ack' | { cause: number } = 'ack', fields: Fields = {}): string {
  const { reference } = rpOf(delivered);
  const rp: RpMessage =
    kind === 'ack'
      ? { kind, direction: 'to-network', reference, userData: Uint8Array.of(0, 0) }
      : { kind: 'error', direction: 'to-network', reference, cause: kind.cause, userData: null };
  return message(from, rp, { 'In-Reply-To': field(delivered, 'Call-ID'), ...fields });
}

/** Sends a message of alice's and takes what she hears of it. */
async function sendFromAlice(rp: RpMessage): Promise<RpMessage> {
  const text = message(alice, rp);
  await rig.send(text);
  expect(head(await heard(rig.near, '202'))).toBe('202 Accepted');
  const answer = await toPhone('sip:alice@ims.test');
  expect(field(answer, 'In-Reply-To')).toBe(field(text, 'Call-ID'));
  return rpOf(answer);
}

/** Until `fits` of what was noted. */
async function noted(words: string): Promise<void> {
  for (let tries = 0; !rig.notes.some((note) => note.includes(words)); tries++) {
    if (tries === 200) throw new Error(`never noted "${words}": ${JSON.stringify(rig.notes)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a short message', () => {
  it('S-127 goes from phone to phone, with a report to the network by each', async () => {
    await register('sip:bob@ims.test');
    const accepted = await sendFromAlice(submit('Hello Bob'));
    expect(accepted).toMatchObject({ kind: 'ack', direction: 'to-phone', reference: 33 });
    const delivered = await toPhone('sip:bob@ims.test');
    expect(field(delivered, 'Route')).toBe(`<sip:127.0.0.1:${rig.far.port};lr>`);
    expect(field(delivered, 'Content-Type')).toBe('application/vnd.3gpp.sms');
    expect(field(delivered, 'Accept-Contact')).toContain('+g.3gpp.smsip');
    expect(field(delivered, 'P-Asserted-Identity')).toBe(`<sip:ipsmgw@127.0.0.1:${rig.server.port}>`);
    const deliver = deliverOf(delivered);
    expect([deliver.originator, textOfUserData(deliver.userData)]).toEqual(['+15550001', 'Hello Bob']);
    expect(Math.abs(deliver.atMs - Date.now())).toBeLessThan(20_000);
    expect(rig.server.waitingMessages).toBe(1);
    // What is under way is not sent a second time.
    await register('sip:bob@ims.test');
    expect(await rig.far.next(starts('MESSAGE sip:bob@ims.test'), 200)).toBeNull();
    await rig.send(report(delivered, bob));
    await noted('delivered');
    expect(rig.server.waitingMessages).toBe(0);
  });

  it('S-127 S-50 waits while its recipient is away, and comes when he registers', async () => {
    await sendFromAlice(submit('first'));
    await sendFromAlice(submit('zweite ☃', { reference: 10 }));
    expect(rig.notes[0]).toBe('sms from +15550001 to +15550002: first (kept, the recipient is not registered)');
    expect(rig.server.waitingMessages).toBe(2);
    await register('sip:bob@ims.test');
    const first = await toPhone('sip:bob@ims.test');
    expect(textOfUserData(deliverOf(first).userData)).toBe('first');
    // One after the other.
    expect(rig.far.heard.filter(starts('MESSAGE sip:bob@ims.test'))).toHaveLength(1);
    await rig.send(report(first, bob));
    const second = await toPhone('sip:bob@ims.test');
    expect(textOfUserData(deliverOf(second).userData)).toBe('zweite ☃');
    await rig.send(report(second, bob));
    await noted('from +15550001 to +15550002 delivered');
  });

  it('S-127 is kept when the phone does not answer, or sends no report, until it registers again', async () => {
    await rig.close();
    rig = await openRig({ reportMs: 100, numbers: new Map([['+15550002', 'sip:bob@ims.test']]) });
    await register('sip:bob@ims.test');
    await sendFromAlice(submit('hard to bring'));
    await toPhone('sip:bob@ims.test', '480 Temporarily Unavailable');
    await noted('kept: was answered 480');
    await register('sip:bob@ims.test');
    const second = await toPhone('sip:bob@ims.test');
    await noted('kept: no delivery report came');
    await rig.send(report(second, bob));
    await noted('is for nothing that was sent');
    expect(rig.server.waitingMessages).toBe(1);
    await register('sip:bob@ims.test');
    expect(deliverOf(await toPhone('sip:bob@ims.test'))).toEqual(deliverOf(second));
  });

  it('S-127 is reported to its sender where he asks for it', async () => {
    await register('sip:alice@ims.test');
    await register('sip:bob@ims.test');
    await rig.send(message(alice, submit('important', { statusReport: true })));
    await toPhone('sip:alice@ims.test');
    await rig.send(report(await toPhone('sip:bob@ims.test'), bob));
    // Her registration names no number: it was learnt from the identities that she sent with.
    const status = await toPhone('sip:alice@ims.test');
    const rp = rpOf(status);
    if (rp.kind !== 'data') throw new Error(rp.kind);
    // SMS-STATUS-REPORT, TP-MR 9, recipient +15550002, status: received.
    expect(Buffer.from(rp.userData).toString('hex')).toMatch(/^0609089151550020(.{14}){2}00$/);
    await rig.send(report(status, '<sip:alice@ims.test>'));
    await noted('report to +15550001 on +15550002 delivered');
  });

  it('S-127 waits for memory of the phone, and is given up when the phone refuses it', async () => {
    await register('sip:bob@ims.test');
    await sendFromAlice(submit('big'));
    await rig.send(report(await toPhone('sip:bob@ims.test'), bob, { cause: 22 }));
    await noted('the phone has no memory left');
    await rig.send(message(bob, { kind: 'memory-available', direction: 'to-network', reference: 4 }));
    const answers = [await toPhone('sip:bob@ims.test'), await toPhone('sip:bob@ims.test')];
    const ack = answers.find((text) => rpOf(text).kind === 'ack')!;
    const again = answers.find((text) => rpOf(text).kind === 'data')!;
    expect(rpOf(ack).reference).toBe(4);
    await rig.send(report(again, bob, { cause: 111 }));
    await noted('refused by the phone (RP cause 111)');
    expect(rig.server.waitingMessages).toBe(0);
  });

  it('S-127 is no longer kept than it is valid', async () => {
    await sendFromAlice(submit('now or never', { validitySeconds: null }));
    // Valid until a time that is over.
    const tpdu = Buffer.from('19000891515500200000' + '99309251619500' + '0141', 'hex');
    await sendFromAlice({ ...(submit('') as RpMessage & { kind: 'data' }), userData: tpdu });
    await register('sip:bob@ims.test');
    await noted('given up: its validity has ended');
    expect(rig.server.waitingMessages).toBe(1);
  });

  it('S-127 of somebody else does not end by a foreign report', async () => {
    await register('sip:bob@ims.test');
    await sendFromAlice(submit('for bob'));
    const delivered = await toPhone('sip:bob@ims.test');
    await rig.send(report(delivered, '<sip:mallory@ims.test>'));
    await noted('report of sip:mallory@ims.test');
    expect(rig.server.waitingMessages).toBe(1);
    await rig.send(report(delivered, bob, 'ack', { 'In-Reply-To': '' }));
    await noted('delivered');
  });
});

describe('what is no short message', () => {
  it('S-127 is answered 400, or by RP-ERROR', async () => {
    const whole = message(alice, submit('x'));
    const start = whole.slice(0, whole.indexOf('\r\n\r\n'));
    await rig.send(`${start.replace(/Content-Length: \d+/, 'Content-Length: 1')}\r\n\r\n\x00`);
    expect(head(await heard(rig.near, '400'))).toBe('400 Bad RP message: RP message shorter than its head');
    const data = submit('x') as RpMessage & { kind: 'data' };
    expect(await sendFromAlice({ ...data, userData: Uint8Array.of(1, 0) })).toMatchObject({ kind: 'error', cause: 95 });
    expect(await sendFromAlice({ ...data, userData: Uint8Array.of(2, 0) })).toMatchObject({ kind: 'error', cause: 69 });
    expect(rig.server.waitingMessages).toBe(0);
  });

  it('S-127 no more than a hundred wait for one phone', async () => {
    for (let i = 0; i < 100; i++) await sendFromAlice(submit(`message ${i}`));
    expect(await sendFromAlice(submit('one too many'))).toMatchObject({ kind: 'error', cause: 42 });
    expect(rig.server.waitingMessages).toBe(100);
  });

  it('S-127 goes on by the chain: texts, other methods, and short messages on their way to a phone', async () => {
    const chain = { Route: `${rig.route('ipsmgw')}, ${rig.odi}` };
    await rig.send(rig.request('MESSAGE', 'sip:bob@ims.test', { ...chain, 'Content-Type': 'text/plain' }, 'hello'));
    expect(body(await toPhone('sip:bob@ims.test'))).toBe('hello');
    const own = writeRpMessage({ kind: 'ack', direction: 'to-phone', reference: 1, userData: null });
    await rig.send(
      rig.request('MESSAGE', 'sip:carol@ims.test', { ...chain, ...sms, 'Call-ID': 'call-2' }, latin1(own)),
    );
    expect(rpOf(await toPhone('sip:carol@ims.test'))).toMatchObject({ kind: 'ack' });
    await rig.send(rig.request('OPTIONS', 'sip:bob@ims.test', { ...chain, 'Call-ID': 'call-3' }));
    expect(field(await heard(rig.far, 'OPTIONS'), 'Route')).toBe(rig.odi);
  });
});
