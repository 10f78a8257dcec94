import { expect, it } from 'vitest';
import { writeDeliver } from '#lab/as/sms/deliver';
import { readStatusReport, writeStatusReport } from '#lab/as/sms/reports';
import { type RpMessage, readRpMessage, rpCauses, writeRpMessage } from '#lab/as/sms/rp-message';
import { readSubmit } from '#lab/as/sms/submit';
import { textOfUserData, userDataOfText } from '#lab/as/sms/user-data';
import { type ReceivedSms, ShortMessages } from '#lab/ue/short-messages';
import { ParseFailure } from '#sip/errors';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { flowFrom } from '../../../sip/wire-port.ts';

function rig(status = 202) {
  let nowMs = 0;
  const wheel = new TimerWheel(
    () => nowMs,
    () => {},
  );
  const sent: { to: string; headers: readonly (readonly [unknown, string])[]; rp: RpMessage }[] = [];
  const received: ReceivedSms[] = [];
  const phone = new ShortMessages({
    wheel,
    send: async (to, headers, body) => {
      sent.push({ to, headers, rp: rpOf(body) });
      return { status, words: 'Words' };
    },
    received: (sms) => received.push(sms),
  });
  const pass = (ms: number) => {
    nowMs += ms;
    wheel.advance();
  };
  return { phone, sent, received, pass };
}

function rpOf(body: string): RpMessage {
  const rp = readRpMessage(Buffer.from(body, 'latin1'));
  if (rp instanceof ParseFailure) throw new Error(rp.reason);
  return rp;
}

function message(rp: RpMessage | Buffer, type = 'application/vnd.3gpp.sms'): SipRequest {
  const body = Buffer.from(Buffer.isBuffer(rp) ? rp : writeRpMessage(rp)).toString('latin1');
  const head = [
    'MESSAGE sip:dave@127.0.0.1:5060 SIP/2.0',
    'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKsms',
    'From: <sip:ipsmgw@127.0.0.1:5090>;tag=a',
    'To: <sip:dave@ims.test>',
    'Call-ID: delivery',
    'CSeq: 1 MESSAGE',
    'Max-Forwards: 70',
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
  ];
  const parsed = parseMessage([...head, '', body].join('\r\n'), flowFrom('127.0.0.1', 5070));
  if (parsed.kind !== 'request') throw new Error('no request');
  return parsed;
}

const delivery = (reference: number, tpdu: Uint8Array): RpMessage => ({
  kind: 'data',
  direction: 'to-phone',
  reference,
  originator: '',
  destination: '',
  userData: tpdu,
});

it('S-127 a phone gives a text to the service centre and hears that it has it', async () => {
  const { phone, sent } = rig();
  const outcome = phone.submit('sip:smsc@ims.test', '+15550004', 'hello', { report: true });
  const [{ to, rp }] = sent as [(typeof sent)[0]];
  expect(to).toBe('sip:smsc@ims.test');
  if (rp.kind !== 'data') throw new Error(rp.kind);
  const submit = readSubmit(rp.userData, 0);
  if (submit instanceof ParseFailure || submit === 'command') throw new Error('no SMS-SUBMIT');
  expect([submit.destination, textOfUserData(submit.userData), submit.statusReport]).toEqual([
    '+15550004',
    'hello',
    true,
  ]);
  expect(phone.take(message({ kind: 'ack', direction: 'to-phone', reference: rp.reference, userData: null }))).toBe(
    true,
  );
  expect(await outcome).toEqual({ accepted: true, words: 'the service centre has it' });
});

it('S-127 an RP-ERROR, a refusal, silence and too long a text are no success', async () => {
  const { phone, sent, pass } = rig();
  const refused = phone.submit('sip:smsc@ims.test', '+1', 'a');
  const { reference } = sent[0]!.rp;
  phone.take(message({ kind: 'error', direction: 'to-phone', reference, cause: rpCauses.congestion, userData: null }));
  expect(await refused).toEqual({ accepted: false, words: 'RP cause 42' });
  const silent = phone.submit('sip:smsc@ims.test', '+1', 'a');
  pass(36_000);
  expect(await silent).toEqual({ accepted: false, words: 'no report came' });
  expect(await phone.submit('sip:smsc@ims.test', '+1', 'a'.repeat(161))).toMatchObject({ accepted: false });
  expect(await rig(403).phone.submit('sip:smsc@ims.test', '+1', 'a')).toEqual({ accepted: false, words: '403 Words' });
});

it('S-127 what comes is acknowledged to who sent it, with the Call-ID it came by', () => {
  const { phone, sent, received } = rig();
  const tpdu = writeDeliver({ originator: '+15550003', protocol: 0, atMs: 0, userData: userDataOfText('see you')! });
  expect(phone.take(message(delivery(7, tpdu)))).toBe(true);
  expect(received).toEqual([{ kind: 'text', from: '+15550003', text: 'see you' }]);
  expect(sent[0]).toMatchObject({
    to: 'sip:ipsmgw@127.0.0.1:5090',
    rp: { kind: 'ack', direction: 'to-network', reference: 7 },
  });
  expect(sent[0]!.headers).toContainEqual(['In-Reply-To', 'delivery']);
});

it('S-127 a status report says what became of a message', () => {
  const { phone, received } = rig();
  const report = { reference: 1, recipient: '+15550004', submittedMs: 0, doneMs: 1000, status: 0 };
  phone.take(message(delivery(8, writeStatusReport(report))));
  phone.take(message(delivery(9, writeStatusReport({ ...report, status: 0x41 }))));
  expect(received).toEqual([
    { kind: 'report', on: '+15550004', delivered: true },
    { kind: 'report', on: '+15550004', delivered: false },
  ]);
  expect(readStatusReport(writeStatusReport(report))).toEqual(report);
  for (let cut = 0; cut < writeStatusReport(report).length; cut++) {
    expect(readStatusReport(writeStatusReport(report).subarray(0, cut))).toBeInstanceOf(ParseFailure);
  }
});

it('S-127 what cannot be read is answered with an RP-ERROR or not at all, and plain text is none of it', () => {
  const { phone, sent, received } = rig();
  expect(phone.take(message(delivery(3, Uint8Array.of(0, 1))))).toBe(true);
  expect(sent[0]!.rp).toMatchObject({ kind: 'error', reference: 3, cause: rpCauses.incorrectMessage });
  expect(phone.take(message(Buffer.from([7])))).toBe(true);
  expect(phone.take(message(Buffer.alloc(0)))).toBe(true);
  expect(phone.take(message(Buffer.from('hello'), 'text/plain'))).toBe(false);
  expect(received).toEqual([]);
  expect(sent).toHaveLength(1);
});
