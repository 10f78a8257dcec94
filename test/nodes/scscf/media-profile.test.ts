import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { responseTo, type SentMessage, sip } from '../worker-harness.ts';
import { HomeNetwork, pcscf } from './home-network.ts';
import { servicesXml } from './service-profiles.ts';

const callerSide = ['Route: <sip:orig@127.0.0.1:6060;lr>', 'P-Asserted-Identity: <sip:alice@ims.test>'];
const calledSide = ['Route: <sip:127.0.0.1:6060;lr>'];
const session = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n';
const audio = 'm=audio 4000 RTP/AVP 0\r\n';
const video = 'm=video 4002 RTP/AVP 31\r\n';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork({ media: { addressFamily: 'any', profiles: [{ id: 7, types: ['audio'] }] } });
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

async function alice(id: number | null): Promise<void> {
  const authorization = `<CoreNetworkServicesAuthorization><SubscribedMediaProfileId>${id}</SubscribedMediaProfileId></CoreNetworkServicesAuthorization>`;
  const profile = servicesXml(['sip:alice@ims.test', 'tel:+15550001'], [], id === null ? '' : authorization);
  net.hss.subscribers.set('alice@ims.test', { profile });
  await net.registered();
}

let calls = 0;
async function invite(uri: string, side: readonly string[], body: string): Promise<SentMessage> {
  const head = [
    `INVITE ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKm${++calls}`,
    'Max-Forwards: 9',
  ];
  const dialog = ['From: <sip:x@ims.test>;tag=a', `To: <${uri}>`, `Call-ID: m${calls}`, 'CSeq: 1 INVITE'];
  const rest = ['Contact: <sip:alice@10.0.0.1>', ...side, ...(body === '' ? [] : ['Content-Type: application/sdp'])];
  net.harness.receive(sip([...head, ...dialog, ...rest], body), pcscf);
  await net.settle();
  return net.harness.takeOne();
}

describe('the media profile of a user', () => {
  it('S-29 refuses what it does not have with 488, and says what is allowed of it', async () => {
    await alice(7);
    const refused = await invite('sip:bob@ims.test', callerSide, session + audio + video);
    expect([refused.status, net.harness.refusals]).toEqual([488, ['media-not-allowed']]);
    expect(refused.header('Warning')).toContain('media profile 7: media type video');
    expect(refused.header('Content-Type')).toBe('application/sdp');
    expect(refused.body).toBe(session + audio + video.replace('4002', '0'));
    const called = await invite('tel:+15550001', calledSide, session + video);
    expect(called.status).toBe(488);
  });

  it('S-29 lets pass what it has, a stream that is refused anyway, and no offer at all', async () => {
    await alice(7);
    for (const body of [session + audio, session + audio + video.replace('4002', '0'), '']) {
      expect((await invite('sip:bob@ims.test', callerSide, body)).method).toBe('INVITE');
      expect((await invite('sip:alice@ims.test', calledSide, body)).requestUri).toBe('sip:alice@10.0.0.1:5060');
    }
  });

  it.each(['INVITE', 'UPDATE'])('S-29 judges what a %s offers inside the session, of either side', async (method) => {
    await alice(7);
    for (const [uri, side] of [
      ['sip:bob@ims.test', callerSide],
      ['sip:alice@ims.test', calledSide],
    ] as const) {
      const call = await invite(uri, side, session + audio);
      const recorded = `Record-Route: ${call.header('Record-Route')}`;
      net.harness.receive(responseTo(call, 200, ['Contact: <sip:bob@10.0.0.2>'], '', 'b'), pcscf);
      await net.settle();
      net.harness.take();
      const inside = async (from: string, to: string, body: string) => {
        const head = [
          `${method} sip:bob@10.0.0.2 SIP/2.0`,
          `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKm${++calls}`,
          'Max-Forwards: 9',
          recorded.replace('Record-', ''),
          `From: ${from}`,
          `To: ${to}`,
          `Call-ID: ${call.header('Call-ID')}`,
          `CSeq: ${calls} ${method}`,
          'Contact: <sip:alice@10.0.0.1>',
          'Content-Type: application/sdp',
        ];
        net.harness.receive(sip(head, body), pcscf);
        await net.settle();
        return net.harness.takeOne();
      };
      const caller = '<sip:x@ims.test>;tag=a';
      const called = `<${uri}>;tag=b`;
      expect((await inside(caller, called, session + audio)).method).toBe(method);
      const refused = await inside(caller, called, session + audio + video);
      expect([refused.status, refused.body]).toEqual([488, session + audio + video.replace('4002', '0')]);
      expect((await inside(called, caller, session + video)).status).toBe(488);
      // Of a session that is not known here nothing is said.
      expect((await inside('<sip:x@ims.test>;tag=other', called, session + video)).method).toBe(method);
    }
  });

  it('S-29 X-S11 refuses an offer that cannot be read', async () => {
    await alice(7);
    const refused = await invite('sip:bob@ims.test', callerSide, `${session}m=audio\r\n`);
    expect([refused.status, refused.body]).toEqual([488, '']);
  });

  it.each([null, 8])('S-29 that is none or unknown (%s) forbids nothing', async (id) => {
    await alice(id);
    expect((await invite('sip:bob@ims.test', callerSide, session + video)).method).toBe('INVITE');
  });
});
