import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianKernel } from './debian-kernel.ts';
import { runGuest } from './run-guest.ts';

/*
 * npm run test:kernel-ipsec [-- --short | -- SECTION... | -- --run COMMAND...]
 *
 * Boots Debian's kernel, which has ESP, in an emulated machine with this host's files, and runs the checks of the kernel
 * back end there, or a command of yours in the folder of the project with CSCF_IPSEC_BACKEND=kernel:
 *
 * npm run test:kernel-ipsec -- --run vitest run test/ipsec/kernel-namespace.test.ts
 */

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const shortSeconds = 290;
const longSeconds = 1800;

/** What has to be installed here, by program, with the name of its package. */
const needed = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['busybox', 'busybox-static'],
  ['apt-get', 'apt'],
  ['dpkg-deb', 'dpkg'],
] as const;

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function command(words: readonly string[]): readonly string[] {
  const at = words.indexOf('--run');
  if (at >= 0) return words.slice(at + 1);
  return [process.execPath, '--disable-warning=ExperimentalWarning', 'test/ipsec/guest/kernel-checks.ts', ...words];
}

async function main(words: readonly string[]): Promise<number> {
  const missing = needed.filter(([program]) => spawnSync(program, ['--help']).error !== undefined);
  if (missing.length > 0) {
    console.error(`not installed (Debian): ${missing.map(([, name]) => name).join(' ')}`);
    return 2;
  }
  const kernel = debianKernel();
  console.log(`Linux ${kernel.version} in an emulated machine`);
  const own = [join(root, 'node_modules/.bin'), dirname(process.execPath)].join(':');
  const path = `${own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const script = [
    `export PATH=${quoted(path)} HOME=/root TMPDIR=/tmp CSCF_IPSEC_BACKEND=kernel`,
    // Nobody looks at this terminal; compiled code is worth keeping where everything is slow.
    'export CI=true NO_COLOR=1 TERM=dumb NODE_COMPILE_CACHE=/tmp/guest-compiled',
    `cd ${quoted(root)} && ${command(words).map(quoted).join(' ')}`,
  ];
  const code = await runGuest(kernel, {
    script: `${script.join('\n')}\n`,
    seconds: words.includes('--short') ? shortSeconds : longSeconds,
    line: (text) => console.log(text),
  });
  if (code === 124) console.error('the guest took too long');
  if (code === 125) console.error('the guest ended before its program did');
  return code;
}

process.exitCode = await main(process.argv.slice(2));
