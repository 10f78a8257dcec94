import { chmodSync, cpSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Child } from './child.ts';

const bin = new URL('../../bin/', import.meta.url).pathname;
const programs = {
  pcscf: 'nodes/pcscf/main.ts',
  icscf: 'nodes/icscf/main.ts',
  scscf: 'nodes/scscf/main.ts',
  cscfctl: 'shared/manage/cli/cscfctl.ts',
  lab: 'lab/main.ts',
} as const;

/** A project of nothing but launchers and programs that tell how they were called; its path has blanks and quotes. */
function project(installed = true): string {
  const root = join(mkdtempSync(join(tmpdir(), 'cscf-bin-')), "it's a project");
  cpSync(bin, join(root, 'bin'), { recursive: true });
  for (const entry of Object.values(programs)) {
    mkdirSync(join(root, entry, '..'), { recursive: true });
    writeFileSync(
      join(root, entry),
      'const told: object = { argv: process.argv.slice(1), node: process.execPath, flags: process.execArgv, cache: process.env.NODE_COMPILE_CACHE };\nconsole.log(JSON.stringify(told));\n',
    );
  }
  if (installed) mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  return root;
}

/** A folder with a `node` that says it has a version and otherwise is the one that runs the tests. */
function nodeOfVersion(version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-node-'));
  const file = join(folder, 'node');
  writeFileSync(
    file,
    `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else exec '${process.execPath}' "$@"; fi\n`,
  );
  chmodSync(file, 0o755);
  return folder;
}

const run = (
  file: string,
  args: readonly string[] = [],
  options: { cwd?: string; path?: string; nodeOptions?: string } = {},
) =>
  new Child(file, args, {
    cwd: options.cwd ?? '/',
    env: {
      PATH: options.path ?? `${nodeOfVersion('v24.12.0')}:/usr/bin:/bin`,
      NODE_COMPILE_CACHE: undefined,
      NODE_OPTIONS: options.nodeOptions,
      CDPATH: '/tmp',
    },
  }).ended;

describe('launchers', () => {
  it('give a CSCF more room for young objects where there is memory and nobody says otherwise', async () => {
    const root = project();
    const flagsOf = async (name: string, nodeOptions?: string) => {
      const { stdout } = await run(join(root, 'bin', name), [], nodeOptions === undefined ? {} : { nodeOptions });
      return (JSON.parse(stdout) as { flags: string[] }).flags;
    };
    const has =
      process.platform === 'linux' && Math.min(totalmem(), process.constrainedMemory() || totalmem()) >= 8 * 1024 ** 3;
    expect(await flagsOf('scscf')).toEqual(has ? ['--min-semi-space-size=64', '--max-semi-space-size=64'] : []);
    expect(await flagsOf('scscf', '--max-semi-space-size=16')).toEqual([]);
    expect(await flagsOf('lab')).toEqual([]);
  });

  it.each(Object.entries(programs))('%s starts %s with its arguments untouched', async (name, entry) => {
    const root = project();
    const { code, stdout, stderr } = await run(join(root, 'bin', name), ['--config', 'a b.yaml', '*', '']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      argv: [join(root, entry), '--config', 'a b.yaml', '*', ''],
      cache: join(root, 'node_modules/.cache/node'),
    });
  });

  it('work through symlinks, absolute and relative, and from another folder', async () => {
    const root = project();
    const elsewhere = mkdtempSync(join(tmpdir(), 'cscf-links '));
    symlinkSync(join(root, 'bin/pcscf'), join(elsewhere, 'absolute'));
    symlinkSync('absolute', join(elsewhere, '-relative'));
    symlinkSync('bin', join(root, 'linked'));
    for (const [file, cwd] of [
      [join(elsewhere, '-relative'), '/'],
      ['./-relative', elsewhere],
      ['linked/pcscf', root],
      ['./pcscf', join(root, 'bin')],
    ] as const) {
      const { stdout, stderr } = await run(file, ['x'], { cwd });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout).argv).toEqual([join(root, programs.pcscf), 'x']);
    }
  });

  it('are found through PATH', async () => {
    const root = project();
    const { stdout } = await run('/bin/sh', ['-c', 'pcscf y'], {
      path: `${root}/bin:${nodeOfVersion('v25.0.0')}:/usr/bin:/bin`,
    });
    expect(JSON.parse(stdout).argv[1]).toBe('y');
  });

  it("prefer the project's own Node.js", async () => {
    const root = project();
    for (const arch of ['x64', 'arm64']) {
      mkdirSync(join(root, `node_modules/node-linux-${arch}/bin`), { recursive: true });
      symlinkSync(process.execPath, join(root, `node_modules/node-linux-${arch}/bin/node`));
    }
    const { code } = await run(join(root, 'bin/lab'), [], { path: `${nodeOfVersion('v18.0.0')}:/usr/bin:/bin` });
    expect(code).toBe(0);
  });

  it("go on with the system's when the project's own cannot run here", async () => {
    const root = project();
    for (const arch of ['x64', 'arm64']) {
      mkdirSync(join(root, `node_modules/node-linux-${arch}/bin`), { recursive: true });
      writeFileSync(join(root, `node_modules/node-linux-${arch}/bin/node`), 'not a program');
      chmodSync(join(root, `node_modules/node-linux-${arch}/bin/node`), 0o755);
    }
    expect((await run(join(root, 'bin/lab'))).code).toBe(0);
  });

  it.each(['v20.19.0', 'v24.11.1', 'v9.9.9', 'nonsense'])('refuse Node.js %s in words', async (version) => {
    const root = project();
    const { code, stdout, stderr } = await run(join(root, 'bin/scscf'), [], {
      path: `${nodeOfVersion(version)}:/usr/bin:/bin`,
    });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`is ${version}; needed is Node.js 24.12 or newer. Run npm install in '${root}'`);
  });

  it.each(['v24.12.0', 'v24.99.1', 'v25.0.0-nightly', 'v100.1.0'])('take Node.js %s', async (version) => {
    expect(
      (await run(join(project(), 'bin/scscf'), [], { path: `${nodeOfVersion(version)}:/usr/bin:/bin` })).code,
    ).toBe(0);
  });

  it('say what to do when the packages are missing', async () => {
    const { code, stderr } = await run(join(project(false), 'bin/icscf'));
    expect(code).toBe(1);
    expect(stderr).toContain('npm install');
  });

  it('bin/cscfctl of this project shows its help', async () => {
    const { code, stdout } = await run(join(bin, 'cscfctl'), ['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('cscfctl --socket config/var/pcscf.sock status');
  });
});
