import { keysOf } from '#ipsec/key-derivation';
import type {
  EncryptionAlgorithm,
  Endpoint,
  IntegrityAlgorithm,
  SecurityAssociation,
} from '#ipsec/security-association';
import { ParseFailure } from '#sip/errors';
import { type IpsecMechanism, parseIpsecMechanism, parseSecurityMechanisms } from '#sip/header/security-mechanism';
import type { SecurityEnd } from './security-offer.ts';

const integrities: readonly string[] = [
  'hmac-sha-1-96',
  'hmac-md5-96',
  'aes-gmac',
  'null',
] satisfies IntegrityAlgorithm[];
const encryptions: readonly string[] = ['null', 'aes-cbc', 'des-ede3-cbc', 'aes-gcm'] satisfies EncryptionAlgorithm[];

/** The first value of Security-Server that a phone can use, or in words why there is none. Source: RFC 3329 2.3.1. */
export function agreedMechanism(fields: readonly string[]): IpsecMechanism | string {
  const mechanisms = parseSecurityMechanisms(fields);
  if (mechanisms instanceof ParseFailure) return `Security-Server cannot be read: ${mechanisms.reason}`;
  const ranked = [...mechanisms].sort((a, b) => b.q - a.q);
  for (const mechanism of ranked) {
    const agreed = parseIpsecMechanism(mechanism);
    if (!(agreed instanceof ParseFailure) && integrities.includes(agreed.alg) && encryptions.includes(agreed.ealg)) {
      return agreed;
    }
  }
  return fields.length === 0 ? 'the challenge has no Security-Server' : 'Security-Server has nothing usable';
}

/**
 * The four associations of a phone: requests to port-s and back, requests from port-c and back.
 * Source: TS 33.203 7.1, annex I.
 */
export function associationsOf(
  own: SecurityEnd & { readonly address: string },
  peer: IpsecMechanism & { readonly address: string },
  ck: Buffer,
  ik: Buffer,
  lifetimeSeconds: number,
): SecurityAssociation[] {
  const integrity = peer.alg as IntegrityAlgorithm;
  const encryption = peer.ealg as EncryptionAlgorithm;
  const common = { integrity, encryption, ...keysOf(integrity, encryption, ck, ik), lifetimeSeconds, firstSequence: 0 };
  const at = (address: string, port: number): Endpoint => ({ address, port });
  const [uc, us] = [at(own.address, own.portC), at(own.address, own.portS)];
  const [pc, ps] = [at(peer.address, peer.portC), at(peer.address, peer.portS)];
  return [
    { direction: 'out', source: uc, destination: ps, spi: peer.spiS, ...common },
    { direction: 'in', source: ps, destination: uc, spi: own.spiC, ...common },
    { direction: 'in', source: pc, destination: us, spi: own.spiS, ...common },
    { direction: 'out', source: us, destination: pc, spi: peer.spiC, ...common },
  ];
}
