import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { numberOfIdentity, RegisteredUsers } from '#lab/as/registered-users';
import { formatMultipart } from '#sip/message/multipart';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import { type AsRig, type Fields, field, head, heard, openRig } from './as-rig.ts';

let rig: AsRig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const scscf = 'sip:127.0.0.1:6060';
const register = (fields: Fields, content = '', user = 'proxy') =>
  rig.request(
    'REGISTER',
    `sip:${user}@127.0.0.1:${rig.server.port}`,
    { From: `<${scscf}>;tag=s`, To: '<sip:alice@ims.test>', Contact: `<${scscf}>`, ...fields },
    content,
  );
const nested = [
  'SIP/2.0 200 OK',
  'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx',
  'From: <sip:alice@ims.test>;tag=1',
  'To: <sip:alice@ims.test>;tag=2',
  'Call-ID: r',
  'CSeq: 2 REGISTER',
  'P-Associated-URI: <sip:alice@ims.test>, <tel:+1555-0001>',
  'Content-Length: 0',
  '',
  '',
].join('\r\n');

describe('a third-party REGISTER', () => {
  it('S-50 S-51 is answered 200 and remembered until it ends', async () => {
    await rig.send(register({ Expires: '600' }));
    const answer = await heard(rig.near, '200');
    expect(field(answer, 'Contact')).toBe(`<${scscf}>;expires=600`);
    expect(rig.server.users.find('sip:alice@ims.test')).toMatchObject({ contact: scscf, parts: [] });
    expect(rig.notes).toEqual(['sip:alice@ims.test is registered for 600 s']);
    await rig.send(register({ Expires: '0', CSeq: '2 REGISTER' }));
    await heard(rig.near, '200');
    expect(rig.server.users.find('sip:alice@ims.test')).toBeNull();
    expect(rig.notes.at(-1)).toBe('sip:alice@ims.test is not registered any more');
  });

  it('S-52 keeps a single body, and the parts of several', async () => {
    const info = '<ims-3gpp version="1"><service-info>level=3</service-info></ims-3gpp>';
    await rig.send(register({ 'Content-Type': 'application/3gpp-ims+xml' }, info));
    await heard(rig.near, '200');
    const find = () => rig.server.users.find('sip:alice@ims.test')?.parts;
    expect(find()).toEqual([{ mediaType: 'application/3gpp-ims+xml', content: info }]);
    const { boundary, body } = formatMultipart([
      { headers: [['Content-Type', 'application/3gpp-ims+xml']], content: info },
      { headers: [['Content-Type', 'message/sip']], content: nested },
    ]);
    const type = `multipart/mixed;boundary=${boundary}`;
    await rig.send(register({ 'Content-Type': type, CSeq: '2 REGISTER' }, body));
    await heard(rig.near, '200');
    expect(find()).toEqual([
      { mediaType: 'application/3gpp-ims+xml', content: info },
      { mediaType: 'message/sip', content: nested },
    ]);
    expect(rig.notes.at(-1)).toBe(
      'sip:alice@ims.test is registered for 3600 s, with application/3gpp-ims+xml, message/sip',
    );
    // The included 200 says which other identities are hers.
    expect(rig.server.users.find('tel:+15550001')?.impu).toBe('sip:alice@ims.test');
    expect(rig.server.users.size).toBe(1);
  });

  it.each([
    ['b2bua', '200 OK'],
    ['announcing', '200 OK'],
    ['forwarding', '200 OK'],
    ['redirect', '200 OK'],
    ['ipsmgw', '200 OK'],
    ['failing', '503 Service Unavailable'],
    ['nobody', '404 no application server nobody'],
  ])('S-53 at %s is answered %s', async (user, answer) => {
    await rig.send(register({}, '', user));
    expect(head(await heard(rig.near, answer.slice(0, 3)))).toBe(answer);
  });

  it('S-52 is refused when its parts cannot be read', async () => {
    await rig.send(register({ 'Content-Type': 'multipart/mixed' }, 'x'));
    expect(head(await heard(rig.near, '400'))).toBe('400 no proper boundary');
    await rig.send(register({ To: '<urn:service:sos>', 'Call-ID': 'call-2' }));
    expect(head(await heard(rig.near, '400'))).toBe('400 no public identity in a urn URI');
    expect(rig.server.users.size).toBe(0);
  });
});

describe('registered users', () => {
  const flow = { listener: 0, transport: 'udp', address: '127.0.0.1', port: 5060, connection: 0 } as const;
  const request = (fields: Fields) => parseMessage(register(fields), flow) as SipRequest;

  it('S-51 forgets a user whose time is over', () => {
    let nowMs = 0;
    const users = new RegisteredUsers(() => nowMs);
    users.take(request({ Expires: '60' }));
    nowMs = 59_999;
    expect(users.find('sip:alice@ims.test')).not.toBeNull();
    nowMs = 60_000;
    expect(users.find('sip:alice@ims.test')).toBeNull();
    expect(users.size).toBe(0);
  });

  it('S-51 takes the expires of the Contact before that of the header', () => {
    const users = new RegisteredUsers(() => 0);
    expect(users.take(request({ Expires: '60', Contact: `<${scscf}>;expires=30` }))).toMatchObject({ expires: 30 });
  });

  it.each([
    ['tel:+1-555-0001', '+15550001'],
    ['sip:+15550001@ims.test;user=phone', '+15550001'],
    ['sip:alice@ims.test', null],
    ['sip:+1555abc@ims.test', null],
    ['tel:911', null],
    ['nonsense', null],
  ])('the number of %s is %s', (identity, number) => expect(numberOfIdentity(identity)).toBe(number));
});
