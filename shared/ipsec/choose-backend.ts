import { isIPv6 } from 'node:net';
import type { IpsecBackend } from './ipsec-backend.ts';
import { defaultKernelOptions } from './kernel/kernel-backend.ts';
import { type AlgorithmPair, openKernelBackend } from './kernel/open-kernel.ts';

/** What is needed of a back end; everything has a default. */
export interface ChooseOptions {
  /** Pairs that have to work: hmac-sha-1-96 and hmac-md5-96, each with null and aes-cbc. */
  readonly algorithms?: readonly AlgorithmPair[];
  /** Local addresses of the protected ports: they tell which IP versions have to work. IPv4. */
  readonly addresses?: readonly string[];
  /** Packets that may overtake each other, 32 to 4096: 64. */
  readonly replayWindow?: number;
  /** 0 to 255: programs of one host that have back ends at the same time need different ones. 0. */
  readonly instance?: number;
}

/** A back end, or null; `words` says in one line which it is, why not the other, or why none. */
export type ChosenBackend =
  | { readonly backend: IpsecBackend; readonly words: string }
  | { readonly backend: null; readonly words: string };

const usualAlgorithms: readonly AlgorithmPair[] = [
  { integrity: 'hmac-sha-1-96', encryption: 'aes-cbc' },
  { integrity: 'hmac-sha-1-96', encryption: 'null' },
  { integrity: 'hmac-md5-96', encryption: 'aes-cbc' },
  { integrity: 'hmac-md5-96', encryption: 'null' },
];

/**
 * Opens the back end that is wanted, or with `auto` the best that works here: the kernel's ESP, else our own.
 *
 * Each is tried for real before it is taken. Never rejects. Requirements P-35, P-39.
 */
export async function chooseBackend(
  wanted: 'auto' | 'kernel' | 'userspace',
  options: ChooseOptions = {},
): Promise<ChosenBackend> {
  if (wanted === 'userspace') return openUserspace(options, 'IPsec in this program, as configured');
  const kernel = await openKernel(options);
  if (kernel.backend !== null) return { backend: kernel.backend, words: `IPsec by ${kernel.words}` };
  if (wanted === 'kernel') return { backend: null, words: kernel.words };
  return openUserspace(options, `IPsec in this program, not in the kernel: ${kernel.words}`, `${kernel.words}; `);
}

function openKernel(options: ChooseOptions) {
  const addresses = options.addresses ?? ['127.0.0.1'];
  const versions = new Set(addresses.map((address): 4 | 6 => (isIPv6(address) ? 6 : 4)));
  return openKernelBackend(options.algorithms ?? usualAlgorithms, [...versions], {
    ...defaultKernelOptions,
    ...(options.replayWindow === undefined ? {} : { replayWindow: options.replayWindow }),
    // Outgoing associations are marked with the next number.
    tag: defaultKernelOptions.tag + 2 * (options.instance ?? 0),
  });
}

async function openUserspace(options: ChooseOptions, words: string, before = ''): Promise<ChosenBackend> {
  try {
    const { openUserspaceBackend } = await import('./userspace/userspace-backend.ts');
    const { replayWindow = 64, instance = 0 } = options;
    return { backend: await openUserspaceBackend({ replayWindow, instance }), words };
  } catch (error) {
    return { backend: null, words: `${before}${(error as Error).message}` };
  }
}
