import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianKernel } from './debian-kernel.ts';
import { runGuest } from './run-guest.ts';

const help = `npm run test:kernel-ipsec [-- --short | -- SECTION... | -- --run COMMAND...]

Boots Debian's kernel, which has ESP, in an emulated machine with this host's files, and runs the checks of the kernel
back end there and the flows with IPsec on it (some 17 minutes, while nobody may change the files).

  --short     only the checks, in short (under 5 minutes); SECTION: probe, traffic, hostile, life, cost, ways
  --run       a command of yours, in the folder of the project with CSCF_IPSEC_BACKEND=kernel
  --help      this text

Example: npm run test:kernel-ipsec -- --run vitest run test/ipsec/kernel-namespace.test.ts`;

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const shortSeconds = 290;
const longSeconds = 5400;

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

/** The flows of registration, calls and restarts with IPsec, as tests of the whole suite. */
const flows = ['test/flows/ipsec.test.ts', 'test/flows/ipsec-restart.test.ts'];
/** Those of their variants that have something to do with who carries ESP. */
const variants = ['test/flows/ipsec-variants.test.ts', '-t', 'P-35|P-82'];

/** What runs in the guest, one after the other. */
function commands(words: readonly string[]): readonly (readonly string[])[] {
  const at = words.indexOf('--run');
  if (at >= 0) return [words.slice(at + 1)];
  const checks = [process.execPath, '--disable-warning=ExperimentalWarning', 'test/ipsec/guest/kernel-checks.ts'];
  if (words.length > 0) return [[...checks, ...words]];
  return [checks, ...[flows, variants].map((files) => ['vitest', 'run', ...files])];
}

async function main(words: readonly string[]): Promise<number> {
  if (words[0] === '--help') {
    console.log(help);
    return 0;
  }
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
    `cd ${quoted(root)} || exit 1`,
    'failed=0',
    ...commands(words).map((command) => `${command.map(quoted).join(' ')} || failed=$?`),
    'exit $failed',
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
