import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { audioOffer } from '#lab/ue/session-description';
import { type AsRig, body, field, head, heard, openRig, starts } from './as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const offer = audioOffer('127.0.0.1', 50_000, 1);
const invite = (route: string, fields = {}) =>
  rig.request(
    'INVITE',
    'sip:bob@ims.test',
    { Route: `${route}, ${rig.odi}`, 'Content-Type': 'application/sdp', ...fields },
    offer,
  );
const cancelOf = (request: string) =>
  rig.request('CANCEL', 'sip:bob@ims.test', { Via: field(request, 'Via'), Route: field(request, 'Route') });

describe('application servers that do not answer', () => {
  it('S-97 the silent one says nothing, whatever comes', async () => {
    const request = invite(rig.route('silent'));
    await rig.send(request);
    await rig.send(request);
    await rig.send(rig.request('REGISTER', `sip:silent@127.0.0.1:${rig.server.port}`, { 'Call-ID': 'call-2' }));
    await rig.send(rig.request('MESSAGE', 'sip:bob@ims.test', { Route: rig.route('silent'), 'Call-ID': 'call-3' }));
    expect(await rig.near.next(() => true, 600)).toBeNull();
    expect(rig.far.heard).toEqual([]);
  });

  it('S-97 the trying one says 100 and no more, until it is cancelled', async () => {
    const request = invite(rig.route('trying'));
    await rig.send(request);
    expect(head(await heard(rig.near, '100'))).toBe('100 Trying');
    expect(await rig.near.next(() => true, 500)).toBeNull();
    await rig.send(cancelOf(request));
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('1 INVITE');
  });
});

describe('an application server that fails', () => {
  it.each([
    ['', '503 Service Unavailable'],
    [';status=500', '500 Server Internal Error'],
    [';status=404', '404 Not Found'],
    [';status=99', '503 Service Unavailable'],
  ])('S-97 S-99 with "%s" answers %s', async (parameters, answer) => {
    await rig.send(invite(rig.route('failing', parameters)));
    expect(head(await heard(rig.near, answer.slice(0, 3)))).toBe(answer);
  });

  it('S-97 may ring before it fails', async () => {
    await rig.send(invite(rig.route('failing', ';status=500;early=180;after=100')));
    const ringing = await heard(rig.near, '180');
    const failed = await heard(rig.near, '500');
    expect(field(failed, 'To')).toBe(field(ringing, 'To'));
    expect(field(ringing, 'Contact')).toBe(`<sip:failing@127.0.0.1:${rig.server.port}>`);
  });

  it('S-97 a CANCEL comes before it fails, or after', async () => {
    const first = invite(rig.route('failing', ';early=180;after=60000'));
    await rig.send(first);
    await heard(rig.near, '180');
    await rig.send(cancelOf(first));
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('1 INVITE');
    const second = invite(rig.route('failing'), { 'Call-ID': 'call-2' });
    await rig.send(second);
    await heard(rig.near, '503');
    await rig.send(cancelOf(second));
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('1 CANCEL');
    expect(await rig.near.next(starts('487'), 200)).toBeNull();
  });

  it('S-53 refuses a third-party REGISTER as well', async () => {
    await rig.send(rig.request('REGISTER', `sip:failing@127.0.0.1:${rig.server.port};status=500`));
    expect(head(await heard(rig.near, '500'))).toBe('500 Server Internal Error');
  });
});

describe('an application server that redirects', () => {
  it('S-99 sends 302 with the Contact of its address', async () => {
    await rig.send(invite(rig.route('redirect', ';to=sip:carol%40ims.test')));
    const answer = await heard(rig.near, '302');
    expect(field(answer, 'Contact')).toBe('<sip:carol@ims.test>');
    await rig.send(invite(rig.route('redirect', ';to=tel:+15550003;status=301'), { 'Call-ID': 'call-2' }));
    expect(field(await heard(rig.near, '301'), 'Contact')).toBe('<tel:+15550003>');
    await rig.send(invite(rig.route('redirect'), { 'Call-ID': 'call-3' }));
    expect(head(await heard(rig.near, '500'))).toBe('500 The Address Of This Server Needs to=URI');
  });
});

describe('an application server that announces', () => {
  /** The INVITE came by a proxy that wants to see the rest. */
  const recorded = () => ({ 'Record-Route': `<sip:mo@127.0.0.1:${rig.near.port};lr>` });

  it('S-97 answers by itself with SDP, and hangs up after its time', async () => {
    await rig.send(invite(rig.route('announcing', ';seconds=0'), recorded()));
    const early = await heard(rig.near, '183');
    expect(body(early)).toContain('m=audio');
    const answer = await heard(rig.near, '200');
    expect(body(answer)).toBe(body(early));
    expect(rig.far.heard).toEqual([]);
    await rig.send(rig.request('ACK', `sip:announcing@127.0.0.1:${rig.server.port}`, { To: field(answer, 'To') }));
    const bye = await heard(rig.near, 'BYE');
    expect(field(bye, 'From')).toBe(field(answer, 'To'));
    expect(field(bye, 'Route')).toBe(recorded()['Record-Route']);
    await rig.send(rig.answer(bye, '200 OK'));
  });

  it('S-97 plays to somebody who is refused in the end, with a reliable 183 where that is required', async () => {
    await rig.send(invite(rig.route('announcing', ';seconds=2;status=486'), { Require: '100rel' }));
    const early = await heard(rig.near, '183');
    expect(field(early, 'Require')).toBe('100rel');
    const rack = { To: field(early, 'To'), RAck: `${field(early, 'RSeq')} 1 INVITE`, CSeq: '2 PRACK' };
    await rig.send(rig.request('PRACK', `sip:announcing@127.0.0.1:${rig.server.port}`, rack));
    expect(field(await heard(rig.near, '200'), 'CSeq')).toBe('2 PRACK');
    expect(head(await heard(rig.near, '486'))).toBe('486 Busy Here');
  });

  it('S-97 stops when the caller cancels, and knows nothing of other dialogs', async () => {
    const request = invite(rig.route('announcing', ';seconds=60;status=480'));
    await rig.send(request);
    await heard(rig.near, '183');
    await rig.send(cancelOf(request));
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('1 INVITE');
    const to = { Route: rig.route('announcing'), To: '<sip:bob@ims.test>;tag=x', CSeq: '2 BYE' };
    await rig.send(rig.request('BYE', 'sip:bob@ims.test', to));
    expect(head(await heard(rig.near, '481'))).toContain('481');
  });
});
