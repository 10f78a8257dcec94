import { describe, expect, it } from 'vitest';
import { newCallId } from '#sip/dialog/call-id';
import {
  confirmDialog,
  type Dialog,
  dialogOfRequest,
  dialogOfResponse,
  dialogRequest,
  endsDialog,
  receiveInDialog,
  refreshTarget,
} from '#sip/dialog/dialog';
import { noteDialogResponse } from '#sip/dialog/early-dialogs';
import { ackDue, awaitAck, isAwaitedAck } from '#sip/dialog/pending-ack';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { writeMessage } from '#sip/message/write';
import { nextHop } from '#sip/proxy/proxy-branch';
import { coreTimers } from '#sip/transaction/timers';
import { answerTo, parsed, requestText } from '../proxy-rig.ts';

const request = (method: string, fields: Record<string, string> = {}, uri = 'sip:bob@ims.test') =>
  parsed(requestText(method, fields, uri)) as SipRequest;

/** A response to a request with this To tag; `extra`: more header lines. */
function response(to: SipRequest, status: number, tag: string, ...extra: string[]): SipResponse {
  return parsed(answerTo(writeMessage(to), status, 'x', extra).replace('tag=b', `tag=${tag}`)) as SipResponse;
}

const invite = request('INVITE', { From: '"A" <sip:alice@ims.test>;tag=a;x=1', CSeq: '7 INVITE' });
const routes = ['Record-Route: <sip:p2;lr>, <sip:p1;lr>', 'Contact: <sip:bob@10.0.0.9:5070;ob>;expires=5'];

function dialogOf(status: number, ...extra: string[]): Dialog {
  const dialog = dialogOfResponse(invite, response(invite, status, 'b', ...extra));
  if (dialog instanceof ParseFailure) throw new Error(dialog.reason);
  return dialog;
}

function incoming(fields: Record<string, string> = {}): Dialog {
  const dialog = dialogOfRequest(request('INVITE', fields), 'own', 'confirmed');
  if (dialog instanceof ParseFailure) throw new Error(dialog.reason);
  return dialog;
}

describe('a dialog of our request', () => {
  it('C-31 has the identifiers, the reversed routes and the target of the response', () => {
    expect(dialogOf(200, ...routes)).toEqual({
      callId: 'call-1',
      localTag: 'a',
      remoteTag: 'b',
      localAddress: '"A" <sip:alice@ims.test>;x=1',
      remoteAddress: '<sip:bob@ims.test>',
      remoteTarget: 'sip:bob@10.0.0.9:5070;ob',
      routeSet: ['<sip:p1;lr>', '<sip:p2;lr>'],
      localCseq: 7,
      remoteCseq: -1,
      secure: false,
      state: 'confirmed',
    });
  });

  it('C-31 is early after a provisional response, and takes routes and target anew from its 2xx', () => {
    const dialog = dialogOf(180, 'Record-Route: <sip:old;lr>', 'Contact: <sip:bob@10.0.0.1>');
    expect(dialog.state).toBe('early');
    confirmDialog(dialog, response(invite, 200, 'b', ...routes));
    expect([dialog.state, dialog.routeSet, dialog.remoteTarget]).toEqual([
      'confirmed',
      ['<sip:p1;lr>', '<sip:p2;lr>'],
      'sip:bob@10.0.0.9:5070;ob',
    ]);
    confirmDialog(dialog, response(invite, 200, 'b', 'Contact: <sip:other@10.0.0.2>'));
    expect(dialog.remoteTarget).toBe('sip:bob@10.0.0.9:5070;ob');
  });

  it('C-31 keeps the Request-URI without a Contact and takes none that is malformed', () => {
    expect(dialogOf(180).remoteTarget).toBe('sip:bob@ims.test');
    expect(dialogOfResponse(invite, response(invite, 200, 'b', 'Contact: <sip:bob'))).toBeInstanceOf(ParseFailure);
    expect(dialogOfRequest(request('SUBSCRIBE', { Contact: '' }), 't', 'early')).toBeInstanceOf(ParseFailure);
  });

  it('C-31 survives being stored', () => {
    const dialog = dialogOf(200, ...routes);
    const read = JSON.parse(JSON.stringify(dialog)) as Dialog;
    expect(writeMessage(dialogRequest(read, 'BYE'))).toBe(writeMessage(dialogRequest(dialog, 'BYE')));
  });
});

describe('our requests inside a dialog', () => {
  it('C-31 carry routes, tags and the next CSeq number', () => {
    const dialog = dialogOf(200, ...routes);
    dialogRequest(dialog, 'UPDATE');
    expect(writeMessage(dialogRequest(dialog, 'BYE', [[Header.Reason, 'SIP;cause=503']])).split('\r\n')).toEqual([
      'BYE sip:bob@10.0.0.9:5070;ob SIP/2.0',
      'Route: <sip:p1;lr>',
      'Route: <sip:p2;lr>',
      'Max-Forwards: 70',
      'From: "A" <sip:alice@ims.test>;x=1;tag=a',
      'To: <sip:bob@ims.test>;tag=b',
      'Call-ID: call-1',
      'CSeq: 9 BYE',
      'Reason: SIP;cause=503',
      'Content-Length: 0',
      '',
      '',
    ]);
  });

  it('C-07 an ACK has the number of its INVITE and uses up none', () => {
    const dialog = dialogOf(200, ...routes);
    expect(dialogRequest(dialog, 'ACK', [], '', 7).headers.get(Header.CSeq)).toBe('7 ACK');
    expect(dialogRequest(dialog, 'BYE').headers.get(Header.CSeq)).toBe('8 BYE');
  });

  it('C-31 the other end sends with its tags swapped and counts for itself', () => {
    const bye = dialogRequest(incoming({ 'Record-Route': '<sip:p2;lr>, <sip:p1;lr>', CSeq: '50 INVITE' }), 'BYE');
    const { headers } = bye;
    expect(headers.values(Header.Route)).toEqual(['<sip:p2;lr>', '<sip:p1;lr>']);
    expect([headers.get(Header.From), headers.get(Header.To), headers.get(Header.CSeq)]).toEqual([
      '<sip:bob@ims.test>;tag=own',
      '<sip:alice@ims.test>;tag=a',
      '1 BYE',
    ]);
    expect(bye.requestUri).toBe('sip:alice@10.0.0.1');
  });

  it('C-21 C-31 reach a strict router on top of the routes as it wants them', () => {
    const dialog = dialogOf(200, 'Record-Route: <sip:p2;lr>, <sip:strict>', 'Contact: <sip:bob@10.0.0.9>');
    const bye = dialogRequest(dialog, 'BYE');
    expect(nextHop(bye)).toMatchObject({ host: 'strict' });
    expect(bye.requestUri).toBe('sip:strict');
    expect(bye.headers.values(Header.Route)).toEqual(['<sip:p2;lr>', '<sip:bob@10.0.0.9>']);
  });

  it('C-31 without a tag of the peer say none', () => {
    const dialog = incoming({ From: '<sip:alice@ims.test>' });
    expect(dialogRequest(dialog, 'BYE').headers.get(Header.To)).toBe('<sip:alice@ims.test>');
  });
});

describe('requests of the peer', () => {
  const inDialog = (method: string, cseq: number, fields: Record<string, string> = {}) =>
    request(method, { To: '<sip:bob@ims.test>;tag=own', CSeq: `${cseq} ${method}`, ...fields });

  it.each([
    ['another To tag', { To: '<sip:bob@ims.test>;tag=other' }],
    ['no To tag', { To: '<sip:bob@ims.test>' }],
    ['another From tag', { From: '<sip:alice@ims.test>;tag=other' }],
    ['another Call-ID', { 'Call-ID': 'other' }],
  ])('C-31 with %s belong to no dialog', (_name, fields) => {
    expect(receiveInDialog(incoming(), inDialog('BYE', 2, fields))).toMatchObject({ status: 481 });
  });

  it('C-31 of a dialog that has ended belong to none', () => {
    const dialog = incoming();
    dialog.state = 'terminated';
    expect(receiveInDialog(dialog, inDialog('BYE', 2))).toMatchObject({ id: 'unknown-dialog' });
  });

  it('C-31 must not have a lower CSeq number than one before', () => {
    const dialog = incoming({ CSeq: '5 INVITE' });
    expect(receiveInDialog(dialog, inDialog('INFO', 9))).toBeNull();
    expect(receiveInDialog(dialog, inDialog('INFO', 8))).toMatchObject({ status: 500, id: 'out-of-order' });
    expect(receiveInDialog(dialog, inDialog('ACK', 5))).toBeNull();
    expect(dialog.remoteCseq).toBe(9);
    expect(receiveInDialog(dialog, inDialog('INFO', 10))).toBeNull();
  });

  it.each([
    ['INVITE', true],
    ['UPDATE', true],
    ['SUBSCRIBE', true],
    ['NOTIFY', true],
    ['INFO', false],
    ['BYE', false],
  ])('C-31 %s moves the target: %s', (method, moves) => {
    const dialog = incoming();
    expect(refreshTarget(dialog, method, inDialog(method, 2, { Contact: '<sip:alice@10.9.9.9>' }))).toBe(moves);
    expect(dialog.remoteTarget).toBe(moves ? 'sip:alice@10.9.9.9' : 'sip:alice@10.0.0.1');
  });

  it('C-31 a target moves with a 2xx, not with a refusal, nor to what cannot be read', () => {
    const dialog = dialogOf(200, ...routes);
    expect(refreshTarget(dialog, 'INVITE', response(invite, 488, 'b', 'Contact: <sip:x@y>'))).toBe(false);
    expect(refreshTarget(dialog, 'INVITE', response(invite, 200, 'b', 'Contact: <sip:x'))).toBe(false);
    expect(refreshTarget(dialog, 'INVITE', response(invite, 200, 'b', 'Contact: <sip:new@y>'))).toBe(true);
    expect(dialog.remoteTarget).toBe('sip:new@y');
  });

  it('C-31 408 and 481 say that the peer knows the dialog no more', () => {
    expect([200, 404, 408, 481, 500].map(endsDialog)).toEqual([false, false, true, true, false]);
  });
});

describe('several early dialogs of one request', () => {
  const note = (dialogs: Dialog[], status: number, tag: string, ...extra: string[]) =>
    noteDialogResponse(dialogs, invite, response(invite, status, tag, ...extra));
  const states = (dialogs: Dialog[]) => dialogs.map(({ remoteTag, state }) => `${remoteTag} ${state}`);

  it('C-37 live side by side; each 2xx confirms its own', () => {
    const dialogs: Dialog[] = [];
    note(dialogs, 180, 'x');
    note(dialogs, 183, 'y');
    note(dialogs, 183, 'x');
    expect(states(dialogs)).toEqual(['x early', 'y early']);
    note(dialogs, 200, 'y', ...routes);
    note(dialogs, 200, 'z', ...routes);
    expect(states(dialogs)).toEqual(['x early', 'y confirmed', 'z confirmed']);
  });

  it('C-37 a 199 ends one, a refusal all that are early', () => {
    const dialogs: Dialog[] = [];
    for (const tag of ['x', 'y', 'z']) note(dialogs, 180, tag);
    note(dialogs, 199, 'x');
    note(dialogs, 199, 'never');
    note(dialogs, 200, 'z', ...routes);
    expect(states(dialogs)).toEqual(['x terminated', 'y early', 'z confirmed']);
    note(dialogs, 486, 'y');
    expect(states(dialogs)).toEqual(['x terminated', 'y terminated', 'z confirmed']);
  });

  it('C-37 a 100 and a response without To tag make none, and tags beyond sixteen none either', () => {
    const dialogs: Dialog[] = [];
    expect(note(dialogs, 100, 'x')).toBeNull();
    for (let i = 0; i < 30; i++) note(dialogs, 180, `t${i}`);
    expect(dialogs).toHaveLength(16);
    expect(note(dialogs, 180, 'one-more')).toBeNull();
    expect(note(dialogs, 180, 't3')).toBe(dialogs[3]);
  });
});

describe('a 2xx that waits for its ACK', () => {
  it('C-07 is repeated at T1, 2*T1 up to T2, and given up after 64*T1', () => {
    const pending = awaitAck(invite, coreTimers, 1000);
    const sent: number[] = [];
    let now = 1000;
    for (;;) {
      const verdict = ackDue(pending, now);
      if (verdict === 'give-up') break;
      if (verdict === 'send') sent.push(now - 1000);
      now = pending.dueMs;
    }
    expect(sent.slice(0, 6)).toEqual([500, 1500, 3500, 7500, 11_500, 15_500]);
    expect(now - 1000).toBe(32_000);
    expect(ackDue(awaitAck(invite, coreTimers, 0), 100)).toBe('wait');
  });

  it('C-07 is acknowledged by the ACK of its dialog and number', () => {
    const dialog = incoming({ CSeq: '7 INVITE' });
    const pending = awaitAck(invite, coreTimers, 0);
    const ack = (fields = {}) => request('ACK', { To: '<sip:bob@ims.test>;tag=own', CSeq: '7 ACK', ...fields });
    expect(isAwaitedAck(pending, dialog, ack())).toBe(true);
    expect(isAwaitedAck(pending, dialog, ack({ CSeq: '8 ACK' }))).toBe(false);
    expect(isAwaitedAck(pending, dialog, ack({ To: '<sip:bob@ims.test>;tag=x' }))).toBe(false);
  });
});

describe('Call-IDs of our own', () => {
  it('C-35 are made until this worker is granted one', () => {
    const asked: string[] = [];
    const callId = newCallId((candidate) => {
      asked.push(candidate);
      return asked.length === 5;
    });
    expect(callId).toBe(asked[4]);
    expect(new Set(asked).size).toBe(5);
    expect(newCallId(() => false)).toBeNull();
  });
});
