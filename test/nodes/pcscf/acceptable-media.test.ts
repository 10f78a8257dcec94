import { describe, expect, it } from 'vitest';
import type { AcceptableServiceInfo } from '#diameter/rx/media-component';
import { acceptableSdp } from '#nodes/pcscf/acceptable-media';

const offer = [
  'v=0',
  'o=- 1 1 IN IP4 10.0.0.1',
  's=-',
  'c=IN IP4 10.0.0.1',
  'b=AS:600',
  't=0 0',
  'm=audio 4000 RTP/AVP 0',
  'b=AS:64',
  'm=video 4002 RTP/AVP 96',
  'b=AS:500',
  'b=TIAS:480000',
  'a=rtpmap:96 H264/90000',
  'm=text 4004 RTP/AVP 98',
  'a=rtpmap:98 t140/1000',
  '',
].join('\r\n');
const component = (number: number, maxDownlink?: number) => ({
  number,
  subComponents: [],
  codecData: [],
  maxUplink: 1,
  maxDownlink,
});
const of = (mediaComponents: AcceptableServiceInfo['mediaComponents'], maxDownlink?: number) =>
  acceptableSdp(offer, { mediaComponents, maxUplink: undefined, maxDownlink });

describe('what a 488 says would be acceptable', () => {
  it('P-125 limits the media that the PCRF names, and leaves the rest', () => {
    expect(of([component(2, 128_900)])).toBe(
      offer.replace('b=AS:500\r\n', 'b=AS:128\r\n').replace('b=TIAS:480000\r\n', ''),
    );
  });

  it('P-125 limits the session, and no stream gets more, where the PCRF speaks of that', () => {
    expect(of([], 300_000)).toBe(
      offer.replace('b=AS:600', 'b=AS:300').replace('b=AS:500', 'b=AS:300').replace('b=TIAS:480000\r\n', ''),
    );
  });

  it('P-125 says how much where the offer says nothing, and never more than was offered', () => {
    expect(of([component(1, 90_000), component(3, 2_000)])).toBe(
      offer.replace('m=text 4004 RTP/AVP 98\r\n', 'm=text 4004 RTP/AVP 98\r\nb=AS:2\r\n'),
    );
  });

  it('P-125 is nothing without an offer, with one that cannot be read, and where nothing is limited', () => {
    const info = { mediaComponents: [component(1, 1000)], maxUplink: undefined, maxDownlink: undefined };
    expect([acceptableSdp('', info), acceptableSdp('m=audio', info)]).toEqual(['', '']);
    expect([of([]), of([component(9, 1000)]), of([component(0, 1000)]), of([component(1)])]).toEqual(['', '', '', '']);
  });
});
