import { stat } from 'node:fs/promises';
import { SipError } from '#sip/errors';
import { readTlsFiles, type TlsFault, type TlsFiles, type TlsMaterial } from './tls-files.ts';

/** Who hears of certificates that change. */
export interface CredentialsWatcher {
  /** New ones are in use for connections from now on. */
  renewed(material: TlsMaterial): void;
  /** The files cannot be used, the ones before stay in use; `words` say why. */
  unusable(words: string): void;
}

const pollMs = 2_000;

/**
 * The certificates in use. Files that change are taken over while the node serves: looked at every two seconds, and
 * read when they have stood still for that long, so that a half-written pair is not taken for a broken one.
 *
 * Throws SipError ERR_SIP_TLS when the files cannot be used at the start.
 *
 * Source: requirement C-10.
 */
export class TlsCredentials {
  readonly #files: TlsFiles;
  readonly #watcher: CredentialsWatcher;
  #material: TlsMaterial;
  /** What the files looked like when they were read last. */
  #read: string;
  /** What they looked like at the last look, '' before the first. */
  #seen = '';
  #timer: NodeJS.Timeout | undefined;

  private constructor(files: TlsFiles, watcher: CredentialsWatcher, material: TlsMaterial, read: string) {
    this.#files = files;
    this.#watcher = watcher;
    this.#material = material;
    this.#read = read;
  }

  static async open(files: TlsFiles, watcher: CredentialsWatcher): Promise<TlsCredentials> {
    const stamps = await stampsOf(files);
    const material = readTlsFiles(files);
    if ('fault' in material) throw new SipError('ERR_SIP_TLS', faultWords(material));
    return new TlsCredentials(files, watcher, material, stamps);
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** Looks at the files from now on. */
  watch(): void {
    this.#timer ??= setInterval(() => void this.look(), pollMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at the files: reads them when they have changed and stood still since the look before. */
  async look(): Promise<void> {
    const stamps = await stampsOf(this.#files);
    const settled = stamps === this.#seen;
    this.#seen = stamps;
    if (settled && stamps !== this.#read) this.#take(stamps);
  }

  /** Reads the files now, changed or not. Gives whether they are in use. */
  async reload(): Promise<boolean> {
    return this.#take(await stampsOf(this.#files));
  }

  #take(stamps: string): boolean {
    this.#read = stamps;
    const material = readTlsFiles(this.#files);
    if ('fault' in material) {
      this.#watcher.unusable(faultWords(material));
      return false;
    }
    this.#material = material;
    this.#watcher.renewed(material);
    return true;
  }
}

function faultWords({ path, fault, suggestion }: TlsFault): string {
  return `tls.${path.join('.')}: ${fault}; ${suggestion}`;
}

/** What tells that a file is another one; the same text while nothing changes. */
async function stampsOf({ certificate, key, ca, serverNames }: TlsFiles): Promise<string> {
  const files = [certificate, key, ...(ca === undefined ? [] : [ca])];
  for (const more of serverNames) files.push(more.certificate, more.key);
  const stamps = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
        (error: NodeJS.ErrnoException) => error.code ?? 'unreadable',
      ),
    ),
  );
  return stamps.join(', ');
}
