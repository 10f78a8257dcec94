import { keysOf } from '#ipsec/key-derivation';
import type { EncryptionAlgorithm, IntegrityAlgorithm, SecurityAssociation } from '#ipsec/security-association';

/** Everything that a UE and its P-CSCF know of each other after a challenge. */
export interface Agreement {
  readonly ue: string;
  readonly pcscf: string;
  readonly ports: { readonly uc: number; readonly us: number; readonly pc: number; readonly ps: number };
  readonly spis: { readonly uc: number; readonly us: number; readonly pc: number; readonly ps: number };
  readonly integrity: IntegrityAlgorithm;
  readonly encryption: EncryptionAlgorithm;
  /** Hexadecimal. */
  readonly ck: string;
  readonly ik: string;
  readonly lifetimeSeconds: number;
  readonly firstSequence: number;
}

export const usualAgreement: Omit<Agreement, 'ue' | 'pcscf'> = {
  ports: { uc: 45061, us: 45062, pc: 5062, ps: 5063 },
  spis: { uc: 0x11111111, us: 0x22222222, pc: 0x33333333, ps: 0x44444444 },
  integrity: 'hmac-sha-1-96',
  encryption: 'aes-cbc',
  ck: '00112233445566778899aabbccddeeff',
  ik: '0f1e2d3c4b5a69788796a5b4c3d2e1f0',
  lifetimeSeconds: 600,
  firstSequence: 0,
};

/** The four associations, as one side installs them. Source: TS 33.203 7.1. */
export function associationSet(side: 'ue' | 'pcscf', agreement: Agreement): SecurityAssociation[] {
  const { ue, pcscf, ports, spis, integrity, encryption, lifetimeSeconds, firstSequence } = agreement;
  const keys = keysOf(integrity, encryption, Buffer.from(agreement.ck, 'hex'), Buffer.from(agreement.ik, 'hex'));
  const end = (address: string, port: number) => ({ address, port });
  const toPcscf = side === 'ue' ? 'out' : 'in';
  const toUe = side === 'ue' ? 'in' : 'out';
  const rows = [
    [toPcscf, end(ue, ports.uc), end(pcscf, ports.ps), spis.ps],
    [toUe, end(pcscf, ports.ps), end(ue, ports.uc), spis.uc],
    [toUe, end(pcscf, ports.pc), end(ue, ports.us), spis.us],
    [toPcscf, end(ue, ports.us), end(pcscf, ports.pc), spis.pc],
  ] as const;
  return rows.map(([direction, source, destination, spi]) => {
    const common = { direction, source, destination, spi, integrity, encryption, lifetimeSeconds, firstSequence };
    return { ...common, ...keys };
  });
}
