import { afterEach, describe, expect, it } from 'vitest';
import * as mediaPolicy from '#nodes/pcscf/media-policy';
import { mediaPolicyOf } from '#nodes/pcscf/media-policy';
import type { MediaType } from '#service/config/config-shape';
import { parseSessionDescription } from '#sip/sdp/session-description';
import { quickest } from '../../torture/quickest.ts';
import { type SentMessage, sip } from '../worker-harness.ts';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

const config = (types: readonly MediaType[], ...forbidden: string[]) => ({ types, codecs: { forbidden } });
const policyOf = (types: readonly MediaType[], ...forbidden: string[]) => mediaPolicyOf(config(types, ...forbidden))!;
const forbiddenMedia = (text: string, policy: mediaPolicy.MediaPolicy) =>
  mediaPolicy.forbiddenMedia(parseSessionDescription(text), policy);
const allowedSdp = (text: string, policy: mediaPolicy.MediaPolicy) =>
  mediaPolicy.allowedSdp(parseSessionDescription(text), policy);
const session = ['v=0', 'o=- 1 1 IN IP4 127.16.0.1', 's=-', 'c=IN IP4 127.16.0.1', 't=0 0'];
const sdp = (...lines: string[]) => `${[...session, ...lines].join('\r\n')}\r\n`;

const audioOnly = policyOf(['audio']);
const noG729 = policyOf([], 'G729', 'amr-wb');

describe('media policy', () => {
  it('P-79 nothing forbidden is no policy', () => {
    expect(mediaPolicyOf(config([]))).toBeNull();
  });

  it.each([
    ['a type that is allowed', ['m=audio 49152 RTP/AVP 0 8'], audioOnly, null],
    ['a type that is not', ['m=audio 49152 RTP/AVP 0', 'm=video 5000 RTP/AVP 34'], audioOnly, 'media type video'],
    ['a type in capitals', ['m=VIDEO 5000 RTP/AVP 34'], audioOnly, 'media type video'],
    ['port 0', ['m=audio 49152 RTP/AVP 0', 'm=video 0 RTP/AVP 34'], audioOnly, null],
    ['port 0 of a bundle', ['m=video 0 RTP/AVP 34', 'a=bundle-only'], audioOnly, 'media type video'],
    ['no media at all', [], audioOnly, null],
    ['a static payload type', ['m=audio 49152/2 RTP/SAVPF 8 18'], noG729, 'codec g729 of audio'],
    ['it with leading zeros', ['m=audio 49152 RTP/AVP 8 018'], noG729, 'codec g729 of audio'],
    ['it with another name', ['m=audio 49152 RTP/AVP 18', 'a=rtpmap:18 PCMU/8000'], noG729, 'codec g729 of audio'],
    [
      'a dynamic payload type',
      ['m=audio 49152 RTP/AVP 97 104', 'a=rtpmap:97 AMR/8000', 'a=rtpmap:104 AMR-WB/16000/1'],
      noG729,
      'codec amr-wb of audio',
    ],
    ['a longer name', ['m=audio 49152 RTP/AVP 97', 'a=rtpmap:97 AMR-WB+/72000'], noG729, null],
    ['a map without a payload type', ['m=audio 49152 RTP/AVP 0', 'a=rtpmap:104 AMR-WB/16000'], noG729, null],
    ['the number on another transport', ['m=application 9 TCP/BFCP 18'], noG729, null],
    ['a format by name', ['m=image 4000 udptl T38'], policyOf([], 't38'), 'codec t38 of image'],
    ['MSRP', ['m=message 7654 TCP/MSRP *', 'a=accept-types:*'], noG729, null],
  ])('P-79 sees %s', (_name, lines, policy, why) => {
    expect(forbiddenMedia(sdp(...lines), policy)).toBe(why);
    expect(forbiddenMedia(sdp(...lines).replaceAll('\r\n', '\n'), policy)).toBe(why);
  });

  it.each([
    ['no version', 'm=audio 1 RTP/AVP 0\r\n'],
    ['a line without =', `${sdp()}maudio\r\n`],
    ['a capital letter', sdp('M=video 1 RTP/AVP 34')],
    ['a blank in front', sdp(' m=video 1 RTP/AVP 34')],
    ['an empty line', sdp('', 'm=audio 1 RTP/AVP 0')],
    ['a bare CR', sdp('a=x\rm=video 1 RTP/AVP 34')],
    ['a NUL', sdp('a=x\0')],
    ['no type', sdp('m= 1 RTP/AVP 0')],
    ['a type without end', sdp(`m=${'a'.repeat(60)} 1 RTP/AVP 0`)],
    ['no port', sdp('m=audio RTP/AVP 0')],
    ['a port too large', sdp('m=audio 65536 RTP/AVP 0')],
    ['no format', sdp('m=audio 1 RTP/AVP')],
    ['a payload type that is no number', sdp('m=audio 1 RTP/AVP x')],
    ['a payload type too large', sdp('m=audio 1 RTP/AVP 128')],
    ['a map without payload type', sdp('m=audio 1 RTP/AVP 97', 'a=rtpmap:AMR/8000')],
    ['a map without name', sdp('m=audio 1 RTP/AVP 97', 'a=rtpmap:97')],
    ['compressed bytes', '\x1f\x8b\x08\x00'],
  ])('P-79 X-S11 does not let through what it cannot read: %s', (_name, text) => {
    expect(forbiddenMedia(text, audioOnly)).toMatch(/^SDP offset \d+: /);
    expect(allowedSdp(text, audioOnly)).toBe('');
  });

  it('P-79 takes a body without a last line end', () => {
    expect(forbiddenMedia(sdp('m=video 1 RTP/AVP 34').trimEnd(), audioOnly)).toBe('media type video');
  });

  it('P-79 leaves of an offer what is allowed, and the rest as it was', () => {
    const offer = sdp(
      'a=group:BUNDLE 1 2',
      'm=audio 49152 RTP/AVP 104 18 8',
      'a=rtpmap:104 AMR-WB/16000',
      'a=fmtp:104 mode-set=0',
      'a=ptime:20',
      'a=rtpmap:8 PCMA/8000',
      'm=video 5000 RTP/AVPF 34 99',
      'a=rtpmap:99 H264/90000',
      'a=rtcp-fb:* nack',
      'm=audio 49160/2 RTP/AVP 18',
      'a=rtpmap:18 G729/8000',
      'a=fmtp:18 annexb=no',
      'a=sendrecv',
    );
    const policy = policyOf(['audio'], 'g729', 'AMR-WB');
    const allowed = allowedSdp(offer, policy);
    expect(allowed).toBe(
      sdp(
        'a=group:BUNDLE 1 2',
        'm=audio 49152 RTP/AVP 8',
        'a=ptime:20',
        'a=rtpmap:8 PCMA/8000',
        'm=video 0 RTP/AVPF 34 99',
        'a=rtpmap:99 H264/90000',
        'a=rtcp-fb:* nack',
        'm=audio 0 RTP/AVP 18',
        'a=sendrecv',
      ),
    );
    expect(forbiddenMedia(allowed, policy)).toBeNull();
    expect(allowedSdp(allowed, policy)).toBe(allowed);
  });

  it('P-79 a description that is only in a bundle is not offered any more', () => {
    const allowed = allowedSdp(sdp('m=video 0 RTP/AVP 34', 'a=bundle-only', 'a=mid:2'), audioOnly);
    expect(allowed).toBe(sdp('m=video 0 RTP/AVP 34', 'a=mid:2'));
  });

  it('P-79 reads the largest body in linear time', () => {
    const many = sdp(`m=audio 1 RTP/AVP${' 0'.repeat(16_000)}`, ...Array<string>(1400).fill('a=rtpmap:0 PCMU/8000'));
    expect(forbiddenMedia(many, noG729)).toBeNull();
    expect(quickest(100, () => forbiddenMedia(many, noG729))).toBeLessThan(100);
  });
});

describe('offers under a media policy', () => {
  let worker: PcscfWorker;
  const start = (media = config(['audio'], 'G729')) => (worker = startPcscf({ media }));
  afterEach(() => expectQuiet(worker));

  const type = 'Content-Type: application/sdp';
  const good = sdp('m=audio 49152 RTP/AVP 0');
  const bad = sdp('m=audio 49152 RTP/AVP 0 18', 'm=video 5000 RTP/AVP 34');
  const left = sdp('m=audio 49152 RTP/AVP 0', 'm=video 0 RTP/AVP 34');
  const preloaded = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;
  const far = 'sip:far@127.32.0.9:5070';

  function fromUe(method: string, lines: readonly string[], body: string, uri = 'sip:bob@ims.test'): SentMessage {
    worker.receive(request(alice, method, uri, lines, body), alice.source);
    return worker.takeOne();
  }

  function fromCore(method: string, lines: readonly string[], body: string): SentMessage {
    worker.receive(coreRequest(method, 'sip:bob@127.32.0.1:5070', lines, body), scscf);
    return worker.takeOne();
  }

  function expectRefused(answer: SentMessage, to: string, detail: string): void {
    expect([answer.status, answer.to, answer.header('Content-Type'), answer.body]).toEqual([
      488,
      to,
      'application/sdp',
      left,
    ]);
    expect(answer.header('Warning')).toContain(`"media-not-allowed: `);
    expect(answer.header('Warning')).toContain(`(${detail})`);
    expect(answer.header('Content-Length')).toBe(String(left.length));
    expect(worker.refusals.splice(0)).toEqual(['media-not-allowed']);
  }

  /** An INVITE of alice, answered; gives the lines of what she sends inside the dialog. */
  function call(status: number, lines: readonly string[], offer: string, answer: string): string[] {
    const token = register(worker, alice);
    const invite = fromUe('INVITE', [preloaded, 'Call-ID: c', ...(offer === '' ? [] : [type])], offer);
    const head = [
      `SIP/2.0 ${status} Fine`,
      ...invite.all('Via').map((via) => `Via: ${via}`),
      `Record-Route: <sip:mo@127.0.8.3:6060;lr>, <sip:${token}@127.0.8.1:5060;lr>`,
      ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.header(name)}`),
      `To: ${invite.header('To')};tag=remote`,
      `Contact: <${far}>`,
    ];
    worker.receive(sip([...head, ...lines, type], answer), scscf);
    expect(worker.takeOne().status).toBe(status);
    return [
      'Call-ID: c',
      'From: <sip:alice@ims.test>;tag=alice',
      'To: <sip:bob@ims.test>;tag=remote',
      `Route: <sip:${token}@127.0.8.1:5060;lr>, <sip:mo@127.0.8.3:6060;lr>`,
      `X-CSeq: ${invite.header('CSeq')!.split(' ')[0]}`,
    ];
  }

  it('P-79 an INVITE of a UE gets 488 with what is allowed, and leaves nothing behind', () => {
    start();
    register(worker, alice);
    expectRefused(fromUe('INVITE', [preloaded, type], bad), alice.source, 'codec g729 of audio');
    expect(worker.logic.sessions()).toBe(0);
    expect(fromUe('INVITE', [preloaded, type], good).body).toBe(good);
  });

  it('P-79 an INVITE to a UE gets 488 as well', () => {
    start();
    const token = register(worker, bob);
    const route = `Route: <sip:${token}@127.0.8.1:5060;lr>`;
    expectRefused(fromCore('INVITE', [route, type], bad), scscf, 'codec g729 of audio');
    expect(worker.logic.sessions()).toBe(0);
    expect(fromCore('INVITE', [route, type], good).body).toBe(good);
  });

  it('P-79 malformed SDP gets 488 without a body', () => {
    start();
    register(worker, alice);
    const answer = fromUe('INVITE', [preloaded, type], 'm=audio');
    expect([answer.status, answer.body, answer.header('Content-Type')]).toEqual([488, '', null]);
  });

  it.each(['Application/SDP', 'application / sdp ;charset=x', 'application/sdp;x=y'])(
    'P-79 knows %s for SDP',
    (value) => {
      start();
      register(worker, alice);
      const answer = fromUe('INVITE', [preloaded, `Content-Type: ${value}`], bad);
      expectRefused(answer, alice.source, 'codec g729 of audio');
    },
  );

  it.each([
    ['INVITE', 'application/sdpng'],
    ['INVITE', 'multipart/mixed;boundary=b'],
    ['INVITE', 'text/plain'],
    ['MESSAGE', 'application/sdp'],
    ['OPTIONS', 'application/sdp'],
  ])('P-79 %s with %s is not looked at', (method, value) => {
    start();
    register(worker, alice);
    expect(fromUe(method, [preloaded, `Content-Type: ${value}`], bad).body).toBe(bad);
  });

  const parts = (sdpPart: string) =>
    `--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: application/sdp\r\n\r\n${sdpPart}\r\n--b--`;
  const mixed = 'Content-Type: multipart/mixed;boundary=b';

  it('P-79 C-28 SDP in a multipart body is looked at as well', () => {
    start();
    register(worker, alice);
    expectRefused(fromUe('INVITE', [preloaded, mixed], parts(bad)), alice.source, 'codec g729 of audio');
    expect(fromUe('INVITE', [preloaded, mixed], parts(good)).body).toBe(parts(good));
  });

  it('P-79 X-S11 a multipart body that cannot be taken apart, or holds two descriptions, gets 488', () => {
    start();
    register(worker, alice);
    for (const body of [
      parts(good).replace('Content-Type: text/plain', 'rubbish'),
      parts(`${good}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n${bad}`),
    ]) {
      const answer = fromUe('INVITE', [preloaded, mixed], body);
      expect([answer.status, answer.body]).toEqual([488, '']);
    }
  });

  it('P-79 without a policy SDP is not even read', () => {
    start(config([]));
    register(worker, alice);
    expect(fromUe('INVITE', [preloaded, type], 'm=').body).toBe('m=');
  });

  it.each(['INVITE', 'UPDATE', 'PRACK'])('P-79 polices %s inside a dialog, not the answer, not ACK', (method) => {
    start();
    const inside = call(200, [], good, bad);
    expectRefused(fromUe(method, [...inside, type], bad, far), alice.source, 'codec g729 of audio');
    const core = [
      ...inside.slice(0, 1),
      'From: <sip:bob@ims.test>;tag=remote',
      'To: <sip:alice@ims.test>;tag=alice',
      inside[3]!.split(',')[0]!,
      type,
    ];
    expectRefused(fromCore(method, core, bad), scscf, 'codec g729 of audio');
    expect(fromUe('ACK', [...inside, type], bad, far).body).toBe(bad);
    expect(worker.logic.sessions()).toBe(1);
  });

  it('P-79 a PRACK that answers the offer of a response passes, the next one does not', () => {
    start();
    const inside = call(183, ['Require: 100rel', 'RSeq: 7'], '', bad);
    const cseq = inside.at(-1)!.slice('X-CSeq: '.length);
    expect(fromUe('PRACK', [...inside, `RAck: 7 ${cseq} INVITE`, type], bad, far).body).toBe(bad);
    const next = fromUe('PRACK', [...inside, `RAck: 8 ${cseq} INVITE`, type], bad, far);
    expectRefused(next, alice.source, 'codec g729 of audio');
  });

  it('P-79 the same towards a UE whose response made the offer', () => {
    start();
    const token = register(worker, bob);
    const route = `Route: <sip:${token}@127.0.8.1:5060;lr>`;
    const invite = fromCore('INVITE', [route, 'Call-ID: in'], '');
    worker.answer(invite, 183, ['Contact: <sip:bob@127.32.0.1:5070>', 'RSeq: 3', type], good, 'bob');
    worker.take();
    const cseq = invite.header('CSeq')!.split(' ')[0];
    const inside = [route, 'Call-ID: in', 'To: <sip:bob@ims.test>;tag=bob', type];
    expect(fromCore('PRACK', [...inside, `RAck: 3 ${cseq} INVITE`], bad).body).toBe(bad);
    expectRefused(fromCore('PRACK', [...inside, `RAck: 4 ${cseq} INVITE`], bad), scscf, 'codec g729 of audio');
  });

  it('P-79 a PRACK makes an offer where the INVITE made the first one', () => {
    start();
    const inside = call(183, ['Require: 100rel', 'RSeq: 7'], good, good);
    const cseq = inside.at(-1)!.slice('X-CSeq: '.length);
    const prack = fromUe('PRACK', [...inside, `RAck: 7 ${cseq} INVITE`, type], bad, far);
    expectRefused(prack, alice.source, 'codec g729 of audio');
  });
});
