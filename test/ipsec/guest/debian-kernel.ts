import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A kernel of Debian's, unpacked but not installed. */
export interface DebianKernel {
  readonly version: string;
  readonly image: string;
  /** The folder that holds lib/modules/VERSION, with modules.dep. */
  readonly root: string;
}

/**
 * Debian's current amd64 kernel: fetched by apt-get once and kept in the user's cache folder. Nothing is installed, no
 * rights are needed. Throws what apt-get, dpkg-deb or busybox said.
 */
export function debianKernel(): DebianKernel {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cscf-guest-kernel');
  mkdirSync(cache, { recursive: true });
  const name = packageName();
  const kept = join(cache, name);
  if (!existsSync(kept)) unpack(name, cache, kept);
  const version = readdirSync(join(kept, 'lib/modules'))[0];
  if (version === undefined) throw new Error(`${kept} holds no kernel: delete the folder and try again`);
  return { version, image: join(kept, 'boot', `vmlinuz-${version}`), root: kept };
}

/** The package that linux-image-amd64 stands for today. */
function packageName(): string {
  const said = execFileSync('apt-cache', ['depends', '--important', 'linux-image-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-\S+)/.exec(said)?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-amd64: run apt-get update');
  return name;
}

function unpack(name: string, cache: string, kept: string): void {
  const work = mkdtempSync(join(cache, 'unpacking-'));
  try {
    execFileSync('apt-get', ['download', '-qq', name], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    const tree = join(work, 'tree');
    execFileSync('dpkg-deb', ['-x', join(work, archive!), tree]);
    const version = readdirSync(join(tree, 'lib/modules'))[0]!;
    // The package leaves this to its installation.
    execFileSync('busybox', ['depmod', '-b', tree, version]);
    renameSync(tree, kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
