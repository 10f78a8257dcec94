import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Listener } from '#sip/transport/flow';
import { probeNativeUdp } from '#sip/transport/native-library';
import { openNativeUdp } from '#sip/transport/native-udp';
import { answerBinding } from '#sip/transport/stun';
import { openDgram, type UdpSocket } from '#sip/transport/udp';

const transaction = '\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae';
const bare = `\0\x01\0\0${transaction}`;
const octets = (text: string | null) => (text === null ? null : Buffer.from(text, 'latin1').toString('hex'));

describe('STUN Binding on Gm', () => {
  it('P-140 names the address and port a UE is seen at: the example values of RFC 5769', () => {
    const head = '0101000c2112a442b7e7a701bc34d686fa87dfae';
    expect(octets(answerBinding(bare, '192.0.2.1', 32853))).toBe(`${head}002000080001a147e112a643`);
    const six = '010100182112a442b7e7a701bc34d686fa87dfae';
    expect(octets(answerBinding(bare, '2001:db8:1234:5678:11:2233:4455:6677', 32853))).toBe(
      `${six}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`,
    );
  });

  it('P-140 reads addresses with a gap, with a dotted part and with a zone', () => {
    const mapped = (address: string) => octets(answerBinding(bare, address, 1))!.slice(-32);
    expect(mapped('::1')).toBe(mapped('0:0:0:0:0:0:0:1'));
    expect(mapped('fe80::1%lo')).toBe(mapped('fe80:0:0:0:0:0:0:1'));
    expect(mapped('::ffff:192.0.2.1')).toBe(mapped('0:0:0:0:0:ffff:c000:201'));
  });

  it('P-140 passes over what may be passed over, and says 420 to what may not', () => {
    const software = '\x80\x22\0\x05phone\0\0\0';
    expect(answerBinding(`\0\x01\0\x0c${transaction}${software}`, '192.0.2.1', 1)?.charCodeAt(0)).toBe(1);
    const changeRequest = '\0\x03\0\x04\0\0\0\x06';
    const refused = octets(answerBinding(`\0\x01\0\x08${transaction}${changeRequest}`, '192.0.2.1', 1))!;
    expect(refused.slice(0, 4)).toBe('0111');
    expect(refused).toContain('00000414');
    expect(refused.endsWith('000a000200030000')).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a header that ends too soon', bare.slice(0, 19)],
    ['another cookie', bare.replace('\x21\x12', '\x21\x13')],
    ['a wrong length', `\0\x01\0\x04${transaction}`],
    ['a response', `\x01\x01\0\0${transaction}`],
    ['an indication', `\0\x11\0\0${transaction}`],
    ['an attribute that ends too late', `\0\x01\0\x04${transaction}\x80\x22\0\x05`],
    ['a long one', `\0\x01\x02\x58${transaction}${'\0'.repeat(600)}`],
    ['SIP', 'OPTIONS sip:a SIP/2.0\r\n\r\n'],
  ])('P-140 X-I20 says nothing to %s', (_name, text) => {
    expect(answerBinding(text, '192.0.2.1', 1)).toBeNull();
  });

  it('P-140 X-S13 never throws, and never answers with much more than it got', () => {
    const tail = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 80,
    });
    fc.assert(
      fc.property(tail, (more) => {
        const length = String.fromCharCode(0, more.length);
        const answer = answerBinding(`\0\x01${length}${transaction}${more}`, '2001:db8::1', 5060);
        // With the headers of IP and UDP, no more than half as much again.
        if (answer !== null) expect(answer.length + 48).toBeLessThanOrEqual(1.5 * (20 + more.length + 48));
      }),
    );
  });
});

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

const native = probeNativeUdp() === null ? ([['native', openNativeUdp]] as const) : [];

describe.each([['dgram', openDgram] as const, ...native])('a socket (%s)', (_name, openUdp) => {
  async function bind(side: 'gm' | 'mw', heard: string[]): Promise<UdpSocket> {
    const listener: Listener = {
      index: 0,
      sides: [side],
      transport: 'udp',
      address: '127.0.0.1',
      port: 0,
      sentBy: 'x',
    };
    const socket = await openUdp(listener, {
      beginBatch() {},
      endBatch() {},
      datagram: (text) => void heard.push(text),
      failed() {},
    });
    open.push(socket);
    return socket;
  }

  it('P-140 answers UEs by itself, and nobody on Mw', async () => {
    const heard: string[] = [];
    const gm = await bind('gm', heard);
    const mw = await bind('mw', heard);
    const phone = createSocket('udp4').bind(0, '127.0.0.1');
    open.push(phone);
    await once(phone, 'listening');
    const answer = once(phone, 'message');
    phone.send(Buffer.from(bare, 'latin1'), mw.port, '127.0.0.1');
    phone.send(Buffer.from(bare, 'latin1'), gm.port, '127.0.0.1');
    const [bytes, from] = (await answer) as [Buffer, { port: number }];
    expect(from.port).toBe(gm.port);
    expect(bytes.readUInt16BE(26) ^ 0x2112).toBe(phone.address().port);
    await expect.poll(() => heard).toEqual([bare]);
  });
});
