import { EspReceiver } from '#ipsec/esp-receiver';
import { EspSender } from '#ipsec/esp-sender';
import { transformOf } from '#ipsec/esp-transform';
import { keysOf } from '#ipsec/key-derivation';
import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';

export interface AlgorithmPair {
  readonly integrity: IntegrityAlgorithm;
  readonly encryption: EncryptionAlgorithm;
}

/** All pairs that sec-agree can name and that go together. */
export const allPairs: readonly AlgorithmPair[] = [
  ...(['hmac-sha-1-96', 'hmac-md5-96'] as const).flatMap((integrity) =>
    (['null', 'aes-cbc', 'des-ede3-cbc'] as const).map((encryption) => ({ integrity, encryption })),
  ),
  { integrity: 'null', encryption: 'aes-gcm' },
  { integrity: 'aes-gmac', encryption: 'null' },
];

export const testCk = Buffer.from('0123456789abcdef1032547698badcfe', 'hex');
export const testIk = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

export function transformFor(pair: AlgorithmPair, ik: Buffer = testIk) {
  return transformOf({ ...pair, ...keysOf(pair.integrity, pair.encryption, testCk, ik) });
}

/** The two ends of one association. */
export function endsOf(pair: AlgorithmPair, options: { ik?: Buffer; window?: number; firstSequence?: number } = {}) {
  return {
    sender: new EspSender(transformFor(pair), 4711, options.firstSequence ?? 0),
    receiver: new EspReceiver(transformFor(pair, options.ik), options.window ?? 64),
  };
}

export function sealed(sender: EspSender, payload: Buffer, protocol = 17): Buffer {
  const packet = Buffer.alloc(70_000);
  return packet.subarray(0, sender.seal(protocol, payload, packet));
}
