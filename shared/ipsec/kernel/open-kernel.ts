import { randomInt } from 'node:crypto';
import { IpsecError } from '../ipsec-backend.ts';
import { keysOf } from '../key-derivation.ts';
import type { EncryptionAlgorithm, IntegrityAlgorithm, SecurityAssociation } from '../security-association.ts';
import { IpBatch } from './ip-batch.ts';
import { defaultKernelOptions, KernelBackend, type KernelOptions } from './kernel-backend.ts';
import { errnoNoEntry, errnoNoFunction, errnoNoProtocol, errnoPermission, errnoWords } from './kernel-fault.ts';
import { netlinkLibrary } from './netlink-library.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import type { AssociationName, XfrmFault, XfrmLink } from './xfrm-link.ts';

/** A pair of a Security-Client entry. */
export interface AlgorithmPair {
  readonly integrity: IntegrityAlgorithm;
  readonly encryption: EncryptionAlgorithm;
}

/** A back end, or null; `words` says in one line what it is or why it can't be. */
export type KernelAttempt =
  | { readonly backend: KernelBackend; readonly words: string }
  | { readonly backend: null; readonly words: string };

/** Nobody has these (RFC 5737, RFC 3849). */
const probeAddresses = { 4: ['192.0.2.1', '192.0.2.2'], 6: ['2001:db8::1', '2001:db8::2'] } as const;
const probeSeconds = 60;
const probeKey = Buffer.alloc(16, 1);

/**
 * Opens the kernel's ESP when it can do what is needed: an association that nobody uses is added, extended and deleted for each pair
 * of algorithms and each IP version. That also loads what the kernel loads on first use, before a phone waits for it.
 *
 * Never rejects. Requirements P-35, P-39.
 */
export async function openKernelBackend(
  pairs: readonly AlgorithmPair[],
  versions: readonly (4 | 6)[],
  options: KernelOptions = defaultKernelOptions,
): Promise<KernelAttempt> {
  const library = netlinkLibrary();
  const without = typeof library === 'string' ? ` (through ip -batch: ${library})` : '';
  let link: XfrmLink | undefined;
  try {
    link = typeof library === 'string' ? new IpBatch() : new NetlinkSocket();
    const missing = await probeKernel(link, pairs, versions, options.tag);
    if (missing !== null) {
      link.close();
      return { backend: null, words: `${missing}${without}` };
    }
    return { backend: new KernelBackend(link, options), words: `the kernel's ESP${without}` };
  } catch (error) {
    link?.close();
    return { backend: null, words: `${wordsOf(error)}${without}` };
  }
}

/** Why the kernel can't carry these algorithms, or null. Rejects with IpsecError when the link is broken. */
export async function probeKernel(
  link: XfrmLink,
  pairs: readonly AlgorithmPair[],
  versions: readonly (4 | 6)[],
  tag: number,
): Promise<string | null> {
  for (const version of versions) {
    for (const pair of pairs) {
      const association = probeAssociation(version, pair);
      const [fault] = await link.apply([{ kind: 'add', association, tag, window: 64 }]);
      if (fault) return probeWords(fault, pair, version);
      const name: AssociationName = {
        source: association.source.address,
        destination: association.destination.address,
        spi: association.spi,
      };
      const [refused] = await link.apply([
        { kind: 'extend', association: name, hardSeconds: probeSeconds },
        { kind: 'delete', association: name },
      ]);
      if (refused) return `the kernel does not extend associations: ${errnoWords(refused.errno)}`;
    }
  }
  return null;
}

function probeAssociation(version: 4 | 6, { integrity, encryption }: AlgorithmPair): SecurityAssociation {
  const [source, destination] = probeAddresses[version];
  return {
    direction: 'out',
    source: { address: source, port: 9 },
    destination: { address: destination, port: 9 },
    spi: randomInt(0x1000, 0xffffffff),
    integrity,
    encryption,
    ...keysOf(integrity, encryption, probeKey, probeKey),
    lifetimeSeconds: probeSeconds,
    firstSequence: 0,
  };
}

function probeWords(fault: XfrmFault, { integrity, encryption }: AlgorithmPair, version: 4 | 6): string {
  switch (fault.errno) {
    case errnoPermission:
      return 'no CAP_NET_ADMIN';
    case errnoNoProtocol:
      return `the kernel has no ESP for IPv${version} (EPROTONOSUPPORT)`;
    case errnoNoEntry:
    case errnoNoFunction:
      return `the kernel has no ${integrity} with ${encryption}`;
    default:
      return `the kernel refuses ${integrity} with ${encryption}: ${errnoWords(fault.errno)} ${fault.text ?? ''}`.trim();
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof IpsecError && error.code === 'ERR_IPSEC_DENIED') return 'no CAP_NET_ADMIN';
  return (error as Error).message;
}
