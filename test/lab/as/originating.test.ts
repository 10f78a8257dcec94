import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AsRig, body, field, head, heard, openRig } from './as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const parties = { from: 'sip:alice@ims.test', to: 'sip:bob@ims.test', registered: true };

it('S-80 S-81 calls in the name of a user through the S-CSCF, until one side hangs up', async () => {
  const call = rig.server.call(parties);
  const invite = await heard(rig.far, 'INVITE');
  expect(head(invite)).toBe('INVITE sip:bob@ims.test');
  expect(field(invite, 'Route')).toBe(`<sip:127.0.0.1:${rig.far.port};lr;orig>`);
  expect(field(invite, 'P-Served-User')).toBe('<sip:alice@ims.test>;sescase=orig;regstate=reg');
  expect(field(invite, 'P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
  expect(field(invite, 'P-Charging-Vector')).toMatch(/^icid-value="[0-9a-f]{24}";orig-ioi="ims.test"$/);
  expect(body(invite)).toContain('m=audio');
  const made = {
    Contact: '<sip:bob@127.0.0.1:9>',
    'Record-Route': `<sip:mt@127.0.0.1:${rig.far.port};lr>`,
    'Content-Type': 'application/sdp',
  };
  await rig.send(rig.answer(invite, '200 OK', made, body(invite)), rig.far);
  expect(await call.answered).toBe(true);
  expect(head(await heard(rig.far, 'ACK'))).toBe('ACK sip:bob@127.0.0.1:9');
  const bye = rig.request('BYE', field(invite, 'Contact').slice(1, -1), {
    From: `${field(invite, 'To')};tag=b`,
    To: field(invite, 'From'),
    'Call-ID': field(invite, 'Call-ID'),
  });
  await rig.send(bye);
  expect(head(await heard(rig.near, '200'))).toBe('200 OK');
  expect(await call.ended).toMatchObject({ by: 'them' });
  await rig.send(bye.replace('z9hG4bK', 'z9hG4bKagain').replace('1 BYE', '2 BYE'));
  expect(head(await heard(rig.near, '481'))).toContain('481');
});

it('S-82 calls in the name of a user who is away', async () => {
  const call = rig.server.call({ ...parties, registered: false });
  const invite = await heard(rig.far, 'INVITE');
  expect(field(invite, 'P-Served-User')).toBe('<sip:alice@ims.test>;sescase=orig;regstate=unreg');
  await rig.send(rig.answer(invite, '480 Temporarily Unavailable'), rig.far);
  expect(await call.answered).toMatchObject({ by: 'refused', status: 480 });
});

it('S-81 writes in the name of a user', async () => {
  const sent = rig.server.message({ ...parties, to: 'tel:+15550002' }, 'Grüße');
  const message = await heard(rig.far, 'MESSAGE');
  expect(head(message)).toBe('MESSAGE tel:+15550002');
  expect(Buffer.from(body(message), 'latin1').toString()).toBe('Grüße');
  await rig.send(rig.answer(message, '202 Accepted'), rig.far);
  expect((await sent).status).toBe(202);
});
