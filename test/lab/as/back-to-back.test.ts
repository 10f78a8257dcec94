import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AsRig, body, field, head, heard, openRig, starts } from './as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const invite = (parameters = '', fields = {}) =>
  rig.request(
    'INVITE',
    'sip:bob@ims.test',
    {
      Route: `${rig.route('b2bua', parameters)}, ${rig.odi}`,
      'Record-Route': `<sip:mo@127.0.0.1:${rig.near.port};lr>`,
      CSeq: '7 INVITE',
      'P-Asserted-Identity': '<sip:alice@ims.test>',
      'Content-Type': 'application/sdp',
      ...fields,
    },
    'v=0\r\n',
  );
const cancelOf = (request: string) =>
  rig.request('CANCEL', 'sip:bob@ims.test', {
    Via: field(request, 'Via'),
    Route: field(request, 'Route'),
    CSeq: '7 CANCEL',
  });
/** What the called party adds to what makes a dialog. */
const called = () => ({ Contact: `<sip:bob@127.0.0.1:${rig.far.port}>;audio` });
const server = (user = 'b2bua') => `sip:${user}@127.0.0.1:${rig.server.port}`;

/** A request of the called party within the dialog that an INVITE to him made. */
function fromCalled(onwards: string, method: string, cseq: number, fields = {}, content = ''): string {
  return rig.request(
    method,
    server(),
    {
      Via: `SIP/2.0/UDP 127.0.0.1:${rig.far.port};branch=z9hG4bKfar${method}${cseq}`,
      From: `${field(onwards, 'To')};tag=b`,
      To: field(onwards, 'From'),
      'Call-ID': field(onwards, 'Call-ID'),
      CSeq: `${cseq} ${method}`,
      Contact: called().Contact,
      ...fields,
    },
    content,
  );
}

/** An answered call: the INVITE of the second leg, and the 200 of the first. */
async function answered(): Promise<{ onwards: string; answer: string; inDialog: { To: string } }> {
  await rig.send(invite());
  const onwards = await heard(rig.far, 'INVITE');
  await rig.send(rig.answer(onwards, '200 OK', called(), 'v=1\r\n'), rig.far);
  const answer = await heard(rig.near, '200');
  const inDialog = { To: field(answer, 'To') };
  await rig.send(rig.request('ACK', server(), { ...inDialog, CSeq: '7 ACK' }));
  await heard(rig.far, 'ACK');
  return { onwards, answer, inDialog };
}

describe('a call through a back-to-back user agent', () => {
  it('S-95 has a dialog of its own on each side, and the way back by the identifier of the chain', async () => {
    const request = invite();
    await rig.send(request);
    expect(head(await heard(rig.near, '100'))).toBe('100 Trying');
    const onwards = await heard(rig.far, 'INVITE');
    expect(head(onwards)).toBe('INVITE sip:bob@ims.test');
    expect(field(onwards, 'Route')).toBe(rig.odi);
    expect(field(onwards, 'Record-Route')).toBe('');
    expect(field(onwards, 'Call-ID')).not.toBe('call-1');
    expect(field(onwards, 'From')).toMatch(/^<sip:alice@ims.test>;tag=(?!a$)/);
    expect(field(onwards, 'To')).toBe('<sip:bob@ims.test>');
    expect(field(onwards, 'CSeq')).toBe('1 INVITE');
    expect(field(onwards, 'Max-Forwards')).toBe('67');
    expect(field(onwards, 'Contact')).toBe(`<${server()}>;+g.3gpp.icsi-ref="mmtel"`);
    expect(field(onwards, 'P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
    expect(body(onwards)).toBe('v=0\r\n');
    await rig.send(
      rig.answer(onwards, '200 OK', { ...called(), 'P-Asserted-Identity': '<sip:bob@ims.test>' }, 'v=1'),
      rig.far,
    );
    const answer = await heard(rig.near, '200');
    expect(field(answer, 'Call-ID')).toBe('call-1');
    expect(field(answer, 'CSeq')).toBe('7 INVITE');
    expect(field(answer, 'To')).toMatch(/^<sip:bob@ims.test>;tag=(?!b$)/);
    expect(field(answer, 'Contact')).toBe(`<${server()}>;audio`);
    expect(field(answer, 'Record-Route')).toBe(field(request, 'Record-Route'));
    expect(field(answer, 'P-Asserted-Identity')).toBe('<sip:bob@ims.test>');
    expect(body(answer)).toBe('v=1');
    await rig.send(rig.request('ACK', server(), { To: field(answer, 'To'), CSeq: '7 ACK' }, 'v=2'));
    const ack = await heard(rig.far, 'ACK');
    expect(head(ack)).toBe(`ACK sip:bob@127.0.0.1:${rig.far.port}`);
    expect([field(ack, 'CSeq'), field(ack, 'To'), body(ack)]).toEqual(['1 ACK', '<sip:bob@ims.test>;tag=b', 'v=2']);
  });

  it('S-95 takes BYE across from either side', async () => {
    const first = await answered();
    await rig.send(rig.request('BYE', server(), { ...first.inDialog, CSeq: '8 BYE', Reason: 'Q.850;cause=16' }));
    const bye = await heard(rig.far, 'BYE');
    expect(field(bye, 'CSeq')).toBe('2 BYE');
    expect(field(bye, 'Reason')).toBe('Q.850;cause=16');
    await rig.send(rig.answer(bye, '200 OK'), rig.far);
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('8 BYE');
    // Nothing is left of the call.
    await rig.send(rig.request('BYE', server(), { ...first.inDialog, CSeq: '9 BYE' }));
    expect(head(await heard(rig.near, '481'))).toContain('481');

    const { onwards } = await answered();
    await rig.send(fromCalled(onwards, 'BYE', 1), rig.far);
    const other = await heard(rig.near, 'BYE');
    expect(field(other, 'Route')).toBe(`<sip:mo@127.0.0.1:${rig.near.port};lr>`);
    expect(field(other, 'To')).toBe('<sip:alice@ims.test>;tag=a');
    await rig.send(rig.answer(other, '200 OK'));
    expect(field(await heard(rig.far, '200'), 'CSeq')).toBe('1 BYE');
  });

  it('S-95 takes PRACK and UPDATE across, with the numbers of the other leg', async () => {
    await rig.send(invite());
    const onwards = await heard(rig.far, 'INVITE');
    const reliable = { ...called(), Require: '100rel', RSeq: '5' };
    await rig.send(rig.answer(onwards, '183 Session Progress', reliable), rig.far);
    const early = await heard(rig.near, '183');
    expect(field(early, 'RSeq')).toBe('5');
    const to = field(early, 'To');
    await rig.send(rig.request('PRACK', server(), { To: to, CSeq: '8 PRACK', RAck: '5 7 INVITE' }));
    const prack = await heard(rig.far, 'PRACK');
    expect([field(prack, 'RAck'), field(prack, 'CSeq')]).toEqual(['5 1 INVITE', '2 PRACK']);
    await rig.send(rig.answer(prack, '200 OK'), rig.far);
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('8 PRACK');
    await rig.send(rig.request('UPDATE', server(), { To: to, CSeq: '9 UPDATE' }, 'v=3'));
    const update = await heard(rig.far, 'UPDATE');
    expect([field(update, 'CSeq'), body(update)]).toEqual(['3 UPDATE', 'v=3']);
    await rig.send(rig.answer(update, '200 OK', { Contact: `<sip:bob2@127.0.0.1:${rig.far.port}>` }), rig.far);
    await heard(rig.near, '200');
    await rig.send(rig.answer(onwards, '200 OK', { Contact: `<sip:bob2@127.0.0.1:${rig.far.port}>` }), rig.far);
    expect(field(await heard(rig.near, '200'), 'To')).toBe(to);
  });

  it('S-95 takes a re-INVITE and its ACK across, both ways', async () => {
    const { onwards, inDialog } = await answered();
    await rig.send(rig.request('INVITE', server(), { ...inDialog, CSeq: '8 INVITE' }, 'v=hold'));
    const again = await heard(rig.far, 'INVITE');
    expect([field(again, 'CSeq'), body(again)]).toEqual(['2 INVITE', 'v=hold']);
    await rig.send(rig.answer(again, '200 OK', called()), rig.far);
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('8 INVITE');
    await rig.send(rig.request('ACK', server(), { ...inDialog, CSeq: '8 ACK' }));
    expect(field(await heard(rig.far, 'ACK'), 'CSeq')).toBe('2 ACK');

    const moved = { Contact: `<sip:bob3@127.0.0.1:${rig.far.port}>` };
    await rig.send(fromCalled(onwards, 'INVITE', 40, moved), rig.far);
    const other = await heard(rig.near, 'INVITE');
    expect(field(other, 'CSeq')).toBe('1 INVITE');
    await rig.send(rig.answer(other, '200 OK', { Contact: `<sip:alice@127.0.0.1:${rig.near.port}>` }));
    expect(field(await heard(rig.far, '200'), 'CSeq')).toBe('40 INVITE');
    await rig.send(fromCalled(onwards, 'ACK', 40), rig.far);
    expect(field(await heard(rig.near, 'ACK'), 'CSeq')).toBe('1 ACK');
    // What the called party said of his address holds.
    await rig.send(rig.request('BYE', server(), { ...inDialog, CSeq: '9 BYE' }));
    expect(head(await heard(rig.far, 'BYE'))).toBe(`BYE sip:bob3@127.0.0.1:${rig.far.port}`);
  });

  it('S-95 tells forks of the called party apart', async () => {
    await rig.send(invite());
    const onwards = await heard(rig.far, 'INVITE');
    const other = { To: `${field(onwards, 'To')};tag=b2`, ...called() };
    await rig.send(rig.answer(onwards, '180 Ringing', called()), rig.far);
    const one = await heard(rig.near, '180');
    await rig.send(rig.answer(onwards, '180 Ringing', other), rig.far);
    const two = await heard(rig.near, '180');
    expect(field(two, 'To')).not.toBe(field(one, 'To'));
    await rig.send(rig.answer(onwards, '200 OK', other), rig.far);
    expect(field(await heard(rig.near, '200'), 'To')).toBe(field(two, 'To'));
  });

  it('S-99 passes refusals, and a redirection as it is', async () => {
    await rig.send(invite());
    const first = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(first, '486 Busy Here', { Warning: '399 bob "out"' }), rig.far);
    expect(field(await heard(rig.near, '486'), 'Warning')).toBe('399 bob "out"');
    await rig.send(invite('', { 'Call-ID': 'call-2' }));
    await rig.send(
      rig.answer(await heard(rig.far, 'INVITE'), '302 Moved', { Contact: '<sip:carol@ims.test>' }),
      rig.far,
    );
    expect(field(await heard(rig.near, '302'), 'Contact')).toBe('<sip:carol@ims.test>');
  });

  it('S-96 calls somebody else where its address says so', async () => {
    await rig.send(invite(';to=sip:carol%40ims.test'));
    expect(head(await heard(rig.far, 'INVITE'))).toBe('INVITE sip:carol@ims.test');
  });

  it('ends at Max-Forwards, and refuses what belongs to no call or is out of order', async () => {
    await rig.send(invite('', { 'Max-Forwards': '0' }));
    expect(head(await heard(rig.near, '483'))).toBe('483 Too Many Hops');
    const { inDialog } = await answered();
    await rig.send(rig.request('INFO', server(), { ...inDialog, CSeq: '7 INFO' }));
    expect(head(await heard(rig.near, '500'))).toBe('500 Server Internal Error');
    await rig.send(rig.request('INFO', server(), { To: '<sip:bob@ims.test>;tag=zzz', CSeq: '9 INFO' }));
    expect(head(await heard(rig.near, '481'))).toContain('481');
    await rig.send(rig.request('INVITE', server(), { 'Call-ID': 'call-9' }));
    expect(head(await heard(rig.near, '404'))).toBe('404 Nothing Leads On From Here');
  });

  it('relays requests outside of dialogs under a Call-ID of its own', async () => {
    const fields = { Route: `${rig.route('b2bua')}, ${rig.odi}`, 'Content-Type': 'text/plain' };
    await rig.send(rig.request('MESSAGE', 'sip:bob@ims.test', fields, 'hello'));
    const onwards = await heard(rig.far, 'MESSAGE');
    expect(field(onwards, 'Call-ID')).not.toBe('call-1');
    expect(body(onwards)).toBe('hello');
    await rig.send(rig.answer(onwards, '202 Accepted'), rig.far);
    expect(head(await heard(rig.near, '202'))).toBe('202 Accepted');
  });
});

describe('a CANCEL at a back-to-back user agent', () => {
  it('S-95 S-99 is answered at once, and goes on', async () => {
    const request = invite();
    await rig.send(request);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(onwards, '180 Ringing', called()), rig.far);
    await heard(rig.near, '180');
    await rig.send(cancelOf(request));
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('7 INVITE');
    const cancel = await heard(rig.far, 'CANCEL');
    expect(field(cancel, 'Call-ID')).toBe(field(onwards, 'Call-ID'));
    await rig.send(rig.answer(onwards, '487 Request Terminated'), rig.far);
    await heard(rig.far, 'ACK');
    expect(await rig.near.next(starts('487'), 200)).toBeNull();
  });

  it('S-95 waits for a provisional response of the other side', async () => {
    const request = invite();
    await rig.send(request);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(cancelOf(request));
    await heard(rig.near, '487');
    expect(await rig.far.next(starts('CANCEL'), 200)).toBeNull();
    await rig.send(rig.answer(onwards, '100 Trying'), rig.far);
    await heard(rig.far, 'CANCEL');
  });

  it('S-95 that crosses the answer ends that call: ACK, BYE, once', async () => {
    const request = invite();
    await rig.send(request);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(onwards, '180 Ringing', called()), rig.far);
    await heard(rig.near, '180');
    await rig.send(cancelOf(request));
    await heard(rig.near, '487');
    await heard(rig.far, 'CANCEL');
    const answer = rig.answer(onwards, '200 OK', called());
    await rig.send(answer, rig.far);
    expect(field(await heard(rig.far, 'ACK'), 'CSeq')).toBe('1 ACK');
    const bye = await heard(rig.far, 'BYE');
    await rig.send(rig.answer(bye, '200 OK'), rig.far);
    await rig.send(answer, rig.far);
    await heard(rig.far, 'ACK');
    expect(await rig.far.next(starts('BYE'), 300)).toBeNull();
    expect(rig.near.heard.filter(starts('200 OK')).filter((text) => field(text, 'CSeq') === '7 INVITE')).toEqual([]);
  });

  it('S-95 after the answer changes nothing', async () => {
    const request = invite();
    await rig.send(request);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(onwards, '200 OK', called()), rig.far);
    const answer = await heard(rig.near, '200');
    await rig.send(cancelOf(request));
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('7 CANCEL');
    await rig.send(rig.request('ACK', server(), { To: field(answer, 'To'), CSeq: '7 ACK' }));
    await heard(rig.far, 'ACK');
    expect(rig.far.heard.some(starts('CANCEL'))).toBe(false);
  });

  it('S-95 of a re-INVITE leaves the call as it is', async () => {
    const { inDialog } = await answered();
    const again = rig.request('INVITE', server(), { ...inDialog, CSeq: '8 INVITE' });
    await rig.send(again);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(onwards, '180 Ringing', called()), rig.far);
    await heard(rig.near, '180');
    await rig.send(rig.request('CANCEL', server(), { ...inDialog, Via: field(again, 'Via'), CSeq: '8 CANCEL' }));
    await heard(rig.far, 'CANCEL');
    await rig.send(rig.answer(onwards, '487 Request Terminated'), rig.far);
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('8 INVITE');
    await rig.send(rig.request('BYE', server(), { ...inDialog, CSeq: '9 BYE' }));
    expect(field(await heard(rig.far, 'BYE'), 'CSeq')).toBe('3 BYE');
  });
});

it('S-97 a silent other side ends the call of a back-to-back user agent with 408', async () => {
  await rig.close();
  rig = await openRig({ timers: { t1Ms: 10, t2Ms: 40, t4Ms: 50 } });
  await rig.send(invite());
  await heard(rig.far, 'INVITE');
  expect(head(await heard(rig.near, '408'))).toBe('408 Request Timeout');
});
