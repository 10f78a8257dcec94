import { ConfigError } from '#service/config/config';
import { findCapacity } from './capacity.ts';
import { attachCoreNetwork, type CoreNetwork, startCoreNetwork } from './core-network.ts';
import { LoadRun } from './load-run.ts';
import { floodRateOf, type Options, percentOf, readOptions, userCount } from './options.ts';
import { misses, overload, overloadTable } from './overload.ts';
import { usersOf } from './phone.ts';
import { phaseTable, reportOf } from './report.ts';
import { StreamWire } from './stream-wire.ts';
import { Switchboard } from './switchboard.ts';
import { Tally } from './tally.ts';
import { openUdpWire } from './udp-wire.ts';
import type { WireEvents } from './wire.ts';
import { Workload } from './workload.ts';

/** Second octet of the phones' addresses. */
const phoneGroup = 16;
const registerTogether = 24;
const megabyte = 2 ** 20;

process.exit(await main(await readOptions(process.argv.slice(2))));

/** Gives the exit code: 0, 1 when something failed or a goal was missed. */
async function main(options: Options): Promise<number> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  let core: CoreNetwork | undefined;
  let run: LoadRun | undefined;
  const close = async () => {
    await run?.board.close();
    await core?.stop();
  };
  const stop = () => void close().then(() => process.exit(1));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.once('SIGHUP', stop);
  try {
    core = await openCore(options, say);
    run = openRun(options, core, say);
    await prepare(options, run, say);
    if (options.flood.length > 0) return await floodRun(options, run, say);
    if (options.max) return await maxRun(options, run, say);
    return await plainRun(options, run);
  } catch (error) {
    say(error instanceof ConfigError ? error.message : `load: ${(error as Error).message}`);
    return 1;
  } finally {
    await close();
  }
}

async function openCore(options: Options, say: (line: string) => void): Promise<CoreNetwork> {
  if (options.attach !== undefined) return attachCoreNetwork(options.attach, options.transport);
  say(`starting HSS, I-CSCF, S-CSCF and P-CSCF (${options.workers} worker${options.workers === 1 ? '' : 's'} each)`);
  return startCoreNetwork({
    transport: options.transport,
    workers: options.workers,
    t1Ms: options.t1,
    limits: {
      cpuPercent: options.quota === undefined ? undefined : percentOf(options.quota),
      memoryBytes: options.memory === undefined ? undefined : options.memory * megabyte,
    },
    profileFolder: options.profileDir,
    sets: options.set,
  });
}

function openRun(options: Options, core: CoreNetwork, say: (line: string) => void): LoadRun {
  const users = usersOf(core.range, core.domain, userCount(options));
  const { address, port } = core.proxy;
  const { transport } = options;
  const board = new Switchboard(
    {
      users,
      proxy: `${address}:${port}`,
      patience: {
        t1Ms: options.t1,
        t2Ms: options.t1 * 8,
        answerMs: options.patience * 1000,
        retransmits: transport === 'udp',
      },
      ringMs: options.ring,
      openWire: (events: WireEvents) =>
        transport === 'udp'
          ? openUdpWire({ address, port, group: phoneGroup }, events)
          : new StreamWire({ transport, address, port, group: phoneGroup }, events),
    },
    new Tally(performance.now()),
  );
  return new LoadRun(core, board, new Workload(board, options.hold), options.pacing === 'poisson', say);
}

/** Registers the phones that call and write, and lets the nodes run warm. */
async function prepare(options: Options, run: LoadRun, say: (line: string) => void): Promise<void> {
  const { procedure, rate, warmup } = options;
  if (procedure !== 'register' || options.flood.length > 0) {
    const startMs = performance.now();
    await run.workload.registerAll(registerTogether);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    say(`registered ${run.board.users.phones.length} phones by ${options.transport} in ${seconds} s`);
  }
  if (warmup > 0) await run.phase({ name: 'warm-up', procedure, rate, seconds: warmup, drain: true });
}

async function plainRun({ procedure, rate, seconds, json }: Options, run: LoadRun): Promise<number> {
  const report = reportOf(await run.phase({ name: 'load', procedure, rate, seconds, drain: true }));
  print(json, report, phaseTable(report));
  return report.failed === 0 ? 0 : 1;
}

async function maxRun(options: Options, run: LoadRun, say: (line: string) => void): Promise<number> {
  const { procedure, rate: startRate, stepSeconds, tries, precision, seconds, json } = options;
  const capacity = await findCapacity(run, { procedure, startRate, stepSeconds, tries, precision, progress: say });
  // The rate itself once more, for the figures that belong to it.
  const rate = Math.max(1, capacity.rate);
  const report = reportOf(await run.phase({ name: 'highest', procedure, rate, seconds, drain: true }));
  print(json, { capacity, report }, `highest rate: ${capacity.rate} ${procedure}/s\n${phaseTable(report)}`);
  return capacity.rate > 0 ? 0 : 1;
}

async function floodRun(options: Options, run: LoadRun, say: (line: string) => void): Promise<number> {
  const { procedure, rate: startRate, stepSeconds, tries, precision, json } = options;
  const capacity =
    options.capacity ??
    (await findCapacity(run, { procedure, startRate, stepSeconds, tries, precision, progress: say })).rate;
  if (capacity === 0) throw new Error('no rate passes, so there is no capacity to compare with');
  const reports = [];
  for (const flood of options.flood) {
    const report = await overload(run, {
      flood,
      procedure,
      capacity,
      floodRate: floodRateOf(options, flood, capacity),
      floodSeconds: options.floodSeconds,
      floodSources: options.floodSources,
      normalShare: options.normal,
      beforeSeconds: Math.ceil(options.normalSeconds / 2),
      afterSeconds: options.normalSeconds,
    });
    const missed = misses(report);
    reports.push({ ...report, missed });
    const verdict = missed.length === 0 ? 'all goals reached' : `MISSED: ${missed.join('; ')}`;
    if (!json) console.log(`${overloadTable(report)}\n  ${verdict}`);
  }
  if (json) console.log(JSON.stringify({ capacity, floods: reports }));
  return reports.every(({ missed }) => missed.length === 0) ? 0 : 1;
}

function print(json: boolean, object: object, table: string): void {
  console.log(json ? JSON.stringify(object) : table);
}
