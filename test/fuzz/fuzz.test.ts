import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type Finding, findingOf, shrink, tryInput } from './finding.ts';
import { lineCoverage, withoutComments } from './line-coverage.ts';
import { mutate, withLength } from './mutate.ts';
import { guardPrototypes } from './prototype-guard.ts';
import { hashOf, Random } from './random.ts';
import { Broken, type FuzzTarget } from './target.ts';

const program = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cscf-fuzz-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Report {
  readonly executions: number;
  readonly findings: readonly (Finding & { readonly file: string })[];
  readonly lines: Readonly<Record<string, number>>;
  readonly kept: number;
}

async function fuzz(...options: string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, program, '--out', folder, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr })));
}

function target(run: (input: string) => void, limitMs = 20): FuzzTarget {
  return { name: 'test', group: 'self-test', weight: 1, limitMs, seeds: [''], run };
}

describe('npm run fuzz', () => {
  it('X-S12 X-S13 X-S14 finds nothing in some seconds, and reaches nearly all lines of the parser', async () => {
    const { exitCode, stdout, stderr } = await fuzz('--minutes', '0.07', '--json');
    const report = JSON.parse(stdout) as Report;
    expect(report.findings).toEqual([]);
    expect(exitCode, stderr).toBe(0);
    expect(report.executions).toBeGreaterThan(2_000);
    expect(report.lines.parser).toBeGreaterThan(85);
  }, 60_000);

  it('finds a planted defect, and writes the input that shows it', async () => {
    const { exitCode, stdout, stderr } = await fuzz('--self-test', '--json', '--seed', '3');
    expect(exitCode, stderr).toBe(0);
    const { findings, kept } = JSON.parse(stdout) as Report;
    expect(findings[0]?.words).toContain('the planted defect');
    // It took what was learned on the way, and only what has to be there is left.
    expect(kept).toBeGreaterThan(2);
    expect(readFileSync(findings[0]!.file, 'latin1').split('').sort().join('')).toBe('\0"%<@[');
  }, 90_000);

  it('X-D2 X-D3 X-D4 finds nothing in Diameter messages, and reaches nearly all lines of their codec', async () => {
    const { exitCode, stdout, stderr } = await fuzz('--minutes', '0.07', '--only', 'diameter', '--json');
    const report = JSON.parse(stdout) as Report;
    expect(report.findings).toEqual([]);
    expect(exitCode, stderr).toBe(0);
    expect(report.executions).toBeGreaterThan(2_000);
    expect(report.lines['diameter/codec']).toBeGreaterThanOrEqual(90);
  }, 60_000);

  it('finds a defect planted among Diameter AVPs', async () => {
    const { exitCode, stdout, stderr } = await fuzz('--self-test', '--only', 'diameter', '--json', '--seed', '6');
    expect(exitCode, stderr).toBe(0);
    const { findings } = JSON.parse(stdout) as Report;
    expect(findings[0]?.words).toContain('the planted defect');
    // Whoever replays it finds a whole message in it: the length that it says is its own.
    const octets = readFileSync(findings[0]!.file);
    expect(octets.readUIntBE(1, 3)).toBe(octets.length);
  }, 90_000);

  it('replays an input, and says what it can do', async () => {
    const file = join(folder, 'input.bin');
    writeFileSync(file, 'OPTIONS sip:a@b SIP/2.0\r\n\r\n', 'latin1');
    expect(await fuzz('--replay', file)).toMatchObject({ exitCode: 0, stdout: 'nothing is wrong with this input\n' });
    const { stdout } = await fuzz('--help');
    for (const option of ['--minutes', '--seed', '--only', '--json', '--self-test', '--replay', 'Examples:']) {
      expect(stdout).toContain(option);
    }
    const { exitCode, stderr } = await fuzz('--only', 'nothing');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Choices:');
  }, 60_000);
});

describe('findings', () => {
  it('tell exceptions, broken rules and inputs that take too long', () => {
    expect(
      tryInput(
        target(() => {}),
        'x',
      ),
    ).toBeNull();
    const thrown = tryInput(
      target(() => JSON.parse('{')),
      'x',
    );
    expect(thrown?.rule).toMatch(/^SyntaxError: .* at JSON\.parse/);
    const broken = target(() => {
      throw new Broken('a rule', 'a detail');
    });
    expect(tryInput(broken, 'x')).toMatchObject({ rule: 'a rule', words: 'a rule: a detail', input: 'x' });
    const busy = target((input) => {
      const start = process.threadCpuUsage();
      while (input === 'slow' && process.threadCpuUsage(start).user < 40_000);
    });
    expect(tryInput(busy, 'quick')).toBeNull();
    expect(tryInput(busy, 'slow')?.rule).toBe('slow');
  });

  it('do not count an input that was slow once', () => {
    let runs = 0;
    const warm = target(() => {
      const endMs = performance.now() + (runs++ === 0 ? 30 : 0);
      while (performance.now() < endMs);
    });
    expect(tryInput(warm, 'x')).toBeNull();
    expect(runs).toBe(2);
  });

  it('are shrunk to what matters', () => {
    const two = target((input) => {
      if (input.includes('a') && input.includes('z')) throw new Broken('both');
      if (input.length === 1) throw new Broken('another');
    });
    const long = `${'x'.repeat(500)}a${'y'.repeat(300)}z${'x'.repeat(77)}`;
    expect(shrink(two, tryInput(two, long)!).input).toBe('az');
  });

  it('are told of errors that are none', () => {
    expect(
      findingOf(
        target(() => {}),
        'x',
        'text',
      ),
    ).toMatchObject({ words: 'text' });
  });
});

describe('guards', () => {
  it('X-S14 tell when a prototype was changed', () => {
    const check = guardPrototypes();
    check();
    const prototype = Object.prototype as Record<string, unknown>;
    prototype.polluted = true;
    try {
      expect(check).toThrow('Object.prototype was changed');
    } finally {
      delete prototype.polluted;
    }
    check();
  });
});

describe('mutations', () => {
  it('are the same with the same seed, and differ with another', () => {
    const text = readFileSync(program, 'latin1');
    const all = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 200 }, () => hashOf(mutate(text, 'a: b\r\n', random)));
    };
    expect(all(7)).toEqual(all(7));
    expect(all(7)).not.toEqual(all(8));
    expect(new Set(all(7)).size).toBeGreaterThan(150);
  });

  it('put the length right where they are asked to', () => {
    const text = 'A sip:b SIP/2.0\r\nl: 3\r\nContent-Length : 99\r\nX: y\r\n\r\nfour';
    expect(withLength(text)).toBe('A sip:b SIP/2.0\r\nX: y\r\nContent-Length: 4\r\n\r\nfour');
  });
});

describe('line coverage', () => {
  it('counts lines of code, and those that ran', () => {
    const file = join(folder, 'sample.ts');
    const source = [
      "import { a } from 'a';",
      'interface B {',
      '  readonly c: number;',
      '}',
      '/** A comment. */',
      'const d: B = a();',
      'function e(): void {',
      '  d.f(); // another',
      '}',
      '',
    ].join('\n');
    writeFileSync(file, source);
    const ran = new Uint8Array(source.length).fill(1);
    ran.fill(0, source.indexOf('function e'), source.length);
    expect(lineCoverage(file, ran)).toMatchObject({ lines: 3, covered: 1, missed: [7, 8] });
    expect(withoutComments("'// no' /* yes */ + 1 // yes")).toBe(`'// no'${' '.repeat(10)} + 1${' '.repeat(7)}`);
  });

  it('leaves nothing behind in the folder of the suite', () => {
    expect(existsSync(join(process.cwd(), 'cscf-fuzz'))).toBe(false);
  });
});
