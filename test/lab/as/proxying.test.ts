import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AsRig, field, head, heard, openRig } from './as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const invite = (route: string, fields = {}) =>
  rig.request('INVITE', 'sip:bob@ims.test', { Route: `${route}, ${rig.odi}`, ...fields }, 'v=0\r\n');

describe('an application server that is a proxy', () => {
  it('S-94 S-95 removes its own Route, records itself and goes on by the identifier of the chain', async () => {
    await rig.send(invite(rig.route('proxy'), { 'P-Served-User': '<sip:alice@ims.test>;sescase=orig;regstate=reg' }));
    const onwards = await heard(rig.far, 'INVITE');
    expect(head(onwards)).toBe('INVITE sip:bob@ims.test');
    expect(field(onwards, 'Route')).toBe(rig.odi);
    expect(field(onwards, 'Record-Route')).toBe(rig.route('proxy'));
    expect(field(onwards, 'Max-Forwards')).toBe('67');
    expect(field(onwards, 'Call-ID')).toBe('call-1');
    expect(field(onwards, 'P-Served-User')).toBe('<sip:alice@ims.test>;sescase=orig;regstate=reg');
    await rig.send(rig.answer(onwards, '180 Ringing', { Contact: '<sip:bob@127.0.0.1:9>' }), rig.far);
    expect(field(await heard(rig.near, '180'), 'Via')).toContain('z9hG4bKnear');
    await rig.send(rig.answer(onwards, '200 OK', { Contact: '<sip:bob@127.0.0.1:9>' }), rig.far);
    const answered = await heard(rig.near, '200');
    // The ACK and the BYE follow the recorded route.
    const inDialog = { Route: `${field(answered, 'Record-Route')}, ${rig.odi}`, To: field(answered, 'To') };
    await rig.send(rig.request('ACK', 'sip:bob@127.0.0.1:9', inDialog));
    expect(field(await heard(rig.far, 'ACK'), 'Route')).toBe(rig.odi);
    await rig.send(rig.request('BYE', 'sip:bob@127.0.0.1:9', { ...inDialog, CSeq: '2 BYE' }));
    const bye = await heard(rig.far, 'BYE');
    expect(field(bye, 'Record-Route')).toBe('');
    await rig.send(rig.answer(bye, '200 OK'), rig.far);
    expect(field(await heard(rig.near, '200 OK'), 'CSeq')).toBe('2 BYE');
  });

  it('S-95 sends several copies with the same identifier when it forks', async () => {
    await rig.send(invite(rig.route('proxy', ';copies=2')));
    const [one, other] = [await heard(rig.far, 'INVITE'), await heard(rig.far, 'INVITE')];
    expect([field(one, 'Route'), field(other, 'Route')]).toEqual([rig.odi, rig.odi]);
    expect(field(one, 'Via')).not.toBe(field(other, 'Via'));
    await rig.send(rig.answer(one, '486 Busy Here'), rig.far);
    await rig.send(rig.answer(other, '200 OK', { Contact: '<sip:bob@127.0.0.1:9>' }), rig.far);
    expect(head(await heard(rig.near, '200'))).toBe('200 OK');
  });

  it('S-99 passes a CANCEL and the 487 to it', async () => {
    const request = invite(rig.route('proxy'));
    await rig.send(request);
    const onwards = await heard(rig.far, 'INVITE');
    await rig.send(rig.answer(onwards, '180 Ringing'), rig.far);
    await heard(rig.near, '180');
    await rig.send(
      rig.request('CANCEL', 'sip:bob@ims.test', { Via: field(request, 'Via'), Route: field(request, 'Route') }),
    );
    await heard(rig.far, 'CANCEL');
    await rig.send(rig.answer(onwards, '487 Request Terminated'), rig.far);
    expect(field(await heard(rig.near, '487'), 'CSeq')).toBe('1 INVITE');
  });

  it('S-99 passes refusals and other methods', async () => {
    await rig.send(rig.request('MESSAGE', 'sip:bob@ims.test', { Route: `${rig.route('proxy')}, ${rig.odi}` }));
    const message = await heard(rig.far, 'MESSAGE');
    expect(field(message, 'Record-Route')).toBe('');
    await rig.send(rig.answer(message, '403 Forbidden'), rig.far);
    expect(head(await heard(rig.near, '403'))).toBe('403 Forbidden');
  });

  it('asks nobody but the S-CSCF for names, and never itself', async () => {
    await rig.send(rig.request('MESSAGE', 'tel:+15550002', { Route: rig.route('proxy') }));
    expect(head(await heard(rig.far, 'MESSAGE'))).toBe('MESSAGE tel:+15550002');
    await rig.send(rig.request('MESSAGE', rig.route('proxy').slice(1, -1), { 'Call-ID': 'call-2' }));
    expect(head(await heard(rig.near, '404'))).toBe('404 Nothing Leads On From Here');
    await rig.send(rig.request('MESSAGE', 'sip:bob@ims.test', { Route: rig.route('nobody'), 'Call-ID': 'call-3' }));
    expect(head(await heard(rig.near, '404'))).toBe('404 no application server nobody');
  });
});

describe('an application server that diverts calls', () => {
  it('S-96 changes the Request-URI and says so in History-Info and Diversion', async () => {
    await rig.send(invite(rig.route('forwarding', ';to=sip:carol%40ims.test')));
    const onwards = await heard(rig.far, 'INVITE');
    expect(head(onwards)).toBe('INVITE sip:carol@ims.test');
    expect(field(onwards, 'Route')).toBe(rig.odi);
    expect(field(onwards, 'To')).toBe('<sip:bob@ims.test>');
    expect(field(onwards, 'Diversion')).toBe('<sip:bob@ims.test>;reason=unconditional;counter=1');
    expect(field(onwards, 'History-Info')).toBe(
      '<sip:bob@ims.test>;index=1, <sip:carol@ims.test;cause=302>;index=1.1;mp=1',
    );
    // Within the dialog nothing is diverted any more.
    const route = field(onwards, 'Record-Route');
    expect(route).toBe(rig.route('forwarding'));
    const uri = 'sip:bob@127.0.0.1:9';
    await rig.send(rig.request('BYE', uri, { Route: `${route}, ${rig.odi}`, To: '<sip:bob@ims.test>;tag=b' }));
    expect(head(await heard(rig.far, 'BYE'))).toBe(`BYE ${uri}`);
  });

  it('S-96 adds to a history that is there, and names another cause', async () => {
    const history = '<sip:bob@ims.test>;index=1, <sip:bob2@ims.test;cause=302>;index=1.2;mp=1';
    await rig.send(invite(rig.route('forwarding', ';to=tel:+15550003;cause=486'), { 'History-Info': history }));
    const onwards = await heard(rig.far, 'INVITE');
    expect(head(onwards)).toBe('INVITE tel:+15550003');
    expect(field(onwards, 'History-Info')).toBe(`${history}, <tel:+15550003;cause=486>;index=1.2.1;mp=1.2`);
    expect(field(onwards, 'Diversion')).toContain('reason=user-busy');
  });

  it.each(['', ';to=nonsense', ';to=sip:%0d%0a', ';to=sip%3A'])('says what it misses with "%s"', async (parameters) => {
    await rig.send(invite(rig.route('forwarding', parameters)));
    expect(head(await heard(rig.near, '500'))).toBe('500 The Address Of This Server Needs to=URI');
  });
});
