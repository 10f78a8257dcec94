import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { targetsOf } from './all-targets.ts';
import { type Finding, tryInput, writeReproducer } from './finding.ts';
import { type FuzzProgress, type FuzzReport, fuzz } from './fuzzer.ts';
import type { LineCoverage } from './line-coverage.ts';
import { type Chosen, groups } from './target.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Folders whose lines are told, by their name in the report. */
const folders = {
  parser: 'sip/parser',
  header: 'sip/header',
  uri: 'sip/uri',
  message: 'sip/message',
  sdp: 'sip/sdp',
  'diameter/codec': 'diameter/codec',
} as const;
const folderNames = Object.keys(folders) as readonly (keyof typeof folders)[];
const selfTestMinutes = 1;
/** Lines of one file that are named when they were not reached. */
const shownLines = 40;

const argv = await yargs(process.argv.slice(2))
  .scriptName('npm run fuzz --')
  .usage(
    '$0 [options]\n\nFeeds mutated messages, header values, URIs and bodies to the SIP core, and Diameter messages to their codec, and watches what has to be true: nothing throws, nothing takes more than 20 ms, memory stays flat, prototypes stay as they are, what is written is read again as the same. Exit status 1 when something was found.',
  )
  .options({
    minutes: { type: 'number', default: 1, describe: 'how long, fractions allowed' },
    seed: { type: 'number', describe: 'of the random numbers; printed, so that a run can be repeated' },
    only: { choices: [...groups, 'all'] as const, default: 'all' as const, describe: 'what to feed' },
    json: { type: 'boolean', default: false, describe: 'print the report as one JSON object' },
    out: { type: 'string', default: join(tmpdir(), 'cscf-fuzz'), describe: 'folder for inputs that found something' },
    replay: { type: 'string', describe: 'run the input of a file, and nothing else' },
    'self-test': { type: 'boolean', default: false, describe: 'plant a defect, which has to be found' },
    'min-coverage': {
      type: 'number',
      default: 0,
      describe: 'percent of the lines of shared/sip/parser and shared/diameter/codec to be reached',
    },
  })
  .example('$0 --minutes 10', 'all targets for ten minutes')
  .example('$0 --only framer --minutes 0.5 --seed 7', 'the stream framer, with given random numbers')
  .example('$0 --replay /tmp/cscf-fuzz/parseUri-0123456789ab.bin', 'an input once more')
  .example('$0 --self-test', 'whether the fuzzer finds anything at all')
  .example('$0 --self-test --only diameter', 'the same for Diameter messages')
  .strict()
  .version(false)
  .parse();

if (argv.replay !== undefined) process.exitCode = await replay(argv.replay);
else process.exitCode = await run();

async function run(): Promise<number> {
  const seed = argv.seed ?? Math.floor(Math.random() * 0xffff_ffff);
  const chosen = chosenGroups();
  const report = await fuzz({
    groups: chosen,
    seed,
    ms: (argv.selfTest ? selfTestMinutes : argv.minutes) * 60_000,
    progress: argv.json ? () => {} : progressPrinter(),
  });
  const files = report.findings.map((finding) => writeReproducer(argv.out, finding));
  if (argv.json) console.log(JSON.stringify(jsonOf(report, files)));
  else printReport(report, files);
  if (argv.selfTest) return selfTestPassed(report) ? 0 : 1;
  for (const folder of askedFolders()) {
    const { percent } = covered(report.lines, folder);
    if (percent >= argv.minCoverage) continue;
    console.error(`only ${percent.toFixed(1)} % of the lines of shared/${folders[folder]} were reached`);
    return 1;
  }
  return report.findings.length > 0 ? 1 : 0;
}

function chosenGroups(): readonly Chosen[] {
  if (argv.selfTest) return [argv.only === 'diameter' ? 'diameter-self-test' : 'self-test'];
  return argv.only === 'all' ? groups : [argv.only];
}

/** Those that the coverage asked for is about. */
function askedFolders(): readonly (keyof typeof folders)[] {
  if (argv.only === 'all') return ['parser', 'diameter/codec'];
  return [argv.only === 'diameter' ? 'diameter/codec' : 'parser'];
}

function selfTestPassed(report: FuzzReport): boolean {
  const found = report.findings.some(({ words }) => words.includes('the planted defect'));
  if (!argv.json) console.log(found ? 'self-test: the planted defect was found' : 'self-test: NOT FOUND');
  return found;
}

/** Runs one input against every target it may be for. */
async function replay(file: string): Promise<number> {
  const input = readFileSync(file, 'latin1');
  const findings: Finding[] = [];
  for (const target of await targetsOf(groups)) {
    const finding = tryInput(target, input);
    if (finding !== null) findings.push(finding);
  }
  for (const { target, words } of findings) console.log(`${target}: ${words}`);
  if (findings.length === 0) console.log('nothing is wrong with this input');
  return findings.length > 0 ? 1 : 0;
}

/** One line every two seconds on a terminal, every ten seconds elsewhere. */
function progressPrinter(): (state: FuzzProgress) => void {
  const terminal = process.stdout.isTTY === true;
  const every = terminal ? 2 : 10;
  let next = every;
  return (state) => {
    if (state.seconds < next) return;
    next = state.seconds + every;
    const rate = Math.round(state.executions / state.seconds);
    const line = `${state.seconds.toFixed(0)} s  ${state.executions} executions (${rate}/s)  ${state.parts} parts  ${state.inputs} inputs  ${state.findings} findings`;
    process.stdout.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
  };
}

function covered(lines: readonly LineCoverage[], folder: keyof typeof folders) {
  const own = lines.filter(({ path }) => path.includes(`/shared/${folders[folder]}/`));
  const all = own.reduce((sum, file) => sum + file.lines, 0);
  const ran = own.reduce((sum, file) => sum + file.covered, 0);
  return { all, ran, percent: all === 0 ? 100 : (100 * ran) / all, files: own };
}

function jsonOf(report: FuzzReport, files: readonly string[]) {
  const lines = Object.fromEntries(
    folderNames.map((folder) => [folder, Math.round(covered(report.lines, folder).percent * 10) / 10]),
  );
  const findings = report.findings.map((finding, i) => ({ ...finding, file: files[i] }));
  return { ...report, lines, findings };
}

function printReport(report: FuzzReport, files: readonly string[]): void {
  const { executions, executionsPerSecond, seconds, parts, kept, heapGrowthMiB, seed } = report;
  console.log(
    `\n${executions} executions in ${seconds.toFixed(1)} s, ${executionsPerSecond}/s, seed ${seed}\n${parts} parts of functions, ${kept} inputs kept, heap ${heapGrowthMiB >= 0 ? '+' : ''}${heapGrowthMiB.toFixed(1)} MiB`,
  );
  console.log('lines reached:');
  for (const folder of folderNames.filter(
    (name) => argv.only === 'all' || (name === 'diameter/codec') === (argv.only === 'diameter'),
  )) {
    const { all, ran, percent, files: own } = covered(report.lines, folder);
    if (all === 0) continue;
    console.log(`  shared/${folders[folder]}`.padEnd(24), `${percent.toFixed(1)} %  (${ran} of ${all})`);
    for (const { path, missed } of own) {
      const which = missed.length > shownLines ? `${missed.length} lines` : missed.join(' ');
      if (missed.length > 0) console.log(`    ${relative(root, path)}: not ${which}`);
    }
  }
  console.log(report.findings.length === 0 ? 'no findings' : `${report.findings.length} findings:`);
  for (const [i, { target, rule, words }] of report.findings.entries()) {
    console.log(
      `- ${target}: ${rule}\n  ${words.split('\n').slice(0, 6).join('\n  ')}\n  input: ${files[i]} (seed ${seed})`,
    );
  }
}
