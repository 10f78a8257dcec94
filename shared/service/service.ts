import { flushCompileCache } from 'node:module';
import { type Clock, systemClock } from './clock.ts';
import { readCommandLine } from './command-line.ts';
import { ConfigError, formatConfigErrors, type LoadedConfig, loadConfig, summarizeConfig } from './config/config.ts';
import { renderConfig } from './config/config-render.ts';
import type { ConfigOf } from './config/config-shape.ts';
import { LiveConfig, type ReloadReport } from './config/live-config.ts';
import type { Role } from './config/schema.ts';
import { createWatchers, EventFeed, EventHub, type NodeEvent } from './event-feed.ts';
import { createLogger, type Logger } from './log.ts';
import type { LiveStatus, ManagedNode, PeerSwitch, StatRow, WorkerControl } from './node-status.ts';
import { explainStartFailure } from './start-failure.ts';
import { packageVersion } from './version.ts';

/** What a node is given when it starts. */
export interface ServiceContext {
  readonly log: Logger;
  readonly clock: Clock;
  /** Every configuration file read, the main one first. */
  readonly configFiles: readonly string[];
  /** Of package.json. */
  readonly version: string;
  /** The configuration as it is by now, and word of changes. */
  readonly live: LiveConfig;
  /** How many hear what happens; for the feeds of worker threads. */
  readonly watchers: Int32Array;
}

/** A node that serves. */
export interface RunningNode {
  /** For the ready line: `transport:address:port` of what it listens on. */
  readonly listeners: readonly string[];
  /** For the ready line: Diameter hosts it connects to. */
  readonly peers: readonly string[];
  status(): LiveStatus;
  /** Where Diameter peers are disabled and enabled; left out by a node without any. */
  readonly peerSwitch?: PeerSwitch;
  /** Every series that has counted. */
  stats?(): readonly StatRow[];
  /** For tests of resilience, only where CSCF_TEST_TRIGGER is 1: ends a worker, or keeps it busy. False: not enabled. */
  trigger?(worker: number, what: 'crash' | 'busy', ms: number): boolean;
  /** How many workers there may be; left out where there are none. */
  readonly workers?: WorkerControl;
  /** Hears of an exception that nobody caught; true: it went with the worker it came from, which is made anew. */
  recover?(error: unknown): boolean;
  /** Asks a worker to do something that all of them can; plain data both ways. */
  ask?(request: unknown): Promise<unknown>;
  /** Asks every worker; those that do not answer are left out. */
  askAll?(request: unknown): Promise<readonly unknown[]>;
  /**
   * Reads the certificate files anew. Gives whether they are in use now; else those before stay, and the log has said why.
   * Left out where there is nothing to read.
   */
  reload?(): Promise<boolean>;
  /**
   * Refuses new calls and registrations, lets what is under way end, and closes everything; done after `seconds` at
   * the latest.
   */
  drain(seconds: number): Promise<void>;
}

/** Something that listens and can be told to stop. */
export interface Closable {
  close(): Promise<void>;
}

export interface ServiceOptions<R extends Role> {
  readonly role: R;
  /** Without node and script: `process.argv.slice(2)`. */
  readonly argv: readonly string[];
  start(config: ConfigOf<R>, context: ServiceContext): Promise<RunningNode>;
  /** Opens the management socket: `startManagement` of shared/manage, which this folder must not know. */
  manage?(node: ManagedNode, log: Logger): Promise<Closable>;
}

/** How long after the drain time a node may take to close before the process ends anyway, milliseconds. */
const closingMs = 1000;
/** How long the answer to `drain` has to leave, milliseconds. */
const answerMs = 100;
/** How long after it serves a node writes what it has compiled, milliseconds. */
const flushAfterMs = 1000;

/**
 * The frame of every daemon: command line, configuration, start, the `ready` line, management socket, signals, end.
 *
 * Exit codes: 0 after `--check`, `--help` and a drained stop; 1 when it cannot start or a defect ends it; 2 for a wrong
 * command line or configuration. The process ends itself; the promise is done when the node serves or never will.
 */
export async function runService<R extends Role>(options: ServiceOptions<R>): Promise<void> {
  const version = packageVersion();
  const command = await readCommandLine(options.role, options.argv, version);
  if ('exitCode' in command) return end(command.exitCode, command.text);

  let loaded: LoadedConfig<R>;
  try {
    loaded = loadConfig({ file: command.config, role: options.role, sets: command.sets });
  } catch (error) {
    if (error instanceof ConfigError) return end(2, error.message);
    throw error;
  }
  const { config, files } = loaded;
  if (command.check) return end(0, `ok\n${summarizeConfig(config)}`);
  if (command.render !== false) return end(0, renderConfig(options.role, loaded, command.render === 'explain'));

  const { role } = options;
  const live = new LiveConfig({ file: command.config, role, sets: command.sets, loaded }) as unknown as LiveConfig;
  const watchers = createWatchers();
  const feed = new EventFeed(watchers);
  const log = createLogger({ ...config.log, base: { role, name: config.name }, tap: (line) => feed.line(line) });
  live.onChange((next) => {
    log.level = next.log.level;
  });
  process.on('uncaughtException', (error, origin) => {
    // A defect of a procedure: what it is part of begins anew, and has told so.
    if (node?.recover?.(error) === true) return;
    log.fatal(
      { reason: origin === 'unhandledRejection' ? 'unhandled-rejection' : 'uncaught-exception', err: error },
      'a defect ends this process',
    );
    process.exit(1);
  });

  const startedMs = systemClock.nowMs();
  let serving = true;
  let node: RunningNode | undefined;
  let management: Closable | undefined;
  const stop = async (signal: NodeJS.Signals) => {
    if (!serving) process.exit(signal === 'SIGINT' ? 130 : 143);
    serving = false;
    const seconds = live.current.drain;
    log.info({ signal, seconds }, 'draining');
    const limit = setTimeout(
      () => {
        log.warn({ reason: 'drain-overrun', seconds }, 'something did not close in time');
        process.exit(0);
      },
      seconds * 1000 + closingMs,
    );
    await node?.drain(live.current.drain);
    await management?.close();
    clearTimeout(limit);
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => void reloadOnSignal(live, node, log));

  try {
    node = await options.start(config, { log, clock: systemClock, configFiles: files, version, live, watchers });
    const running = node;
    const source: ManagedNode = {
      status: () => ({
        role: options.role,
        name: config.name,
        version,
        pid: process.pid,
        uptimeSeconds: Math.round((systemClock.nowMs() - startedMs) / 100) / 10,
        serving,
        ...running.status(),
      }),
      trigger: process.env.CSCF_TEST_TRIGGER === '1' ? running.trigger : undefined,
      ask: running.ask,
      askAll: running.askAll,
      peers: running.peerSwitch,
      workers: running.workers,
      live,
      events: new EventHub(watchers),
      async recentLog(limit) {
        const others = (await running.askAll?.({ command: 'log.recent', limit })) ?? [];
        const lines = [...feed.recent(limit), ...(others.flat() as NodeEvent[])];
        return lines.sort((a, b) => String(a.time).localeCompare(String(b.time))).slice(-limit);
      },
      stats: () => running.stats?.() ?? [],
      drain: () => void setTimeout(() => void stop('SIGTERM'), answerMs),
      reload: () => reload(live, running, log),
    };
    management = await options.manage?.(source, log);
  } catch (error) {
    const words = explainStartFailure(error);
    // What has no explanation may be a defect: then the log gets the whole error.
    log[words === undefined ? 'fatal' : 'debug']({ reason: 'start-failed', err: error }, 'cannot start');
    return end(
      1,
      `${options.role}: cannot start: ${words ?? (error instanceof Error ? error.message : String(error))}`,
    );
  }
  const peers = node.peers.length === 0 ? 'none' : node.peers.join(',');
  process.stdout.write(`ready ${options.role} listeners=${node.listeners.join(',')} peers=${peers}\n`);
  // Node.js itself does it at the end, which a node that is killed never has. Only new code gives anything to write.
  setTimeout(flushCompileCache, flushAfterMs).unref();
}

/** What SIGHUP does; it never ends the process. A node that only starts reads its files anyway. */
async function reloadOnSignal(live: LiveConfig, node: RunningNode | undefined, log: Logger): Promise<void> {
  if (node === undefined) return;
  try {
    await reload(live, node, log);
  } catch (error) {
    log.error({ signal: 'SIGHUP', reason: 'reload-failed', err: error }, 'not all is reloaded');
  }
}

/** Reads the configuration and the certificates anew. */
async function reload(live: LiveConfig, node: RunningNode, log: Logger): Promise<ReloadReport> {
  const report = await live.reload();
  reportReload(report, log);
  if (node.reload !== undefined) log.info((await node.reload()) ? 'certificates reloaded' : 'certificates kept');
  return report;
}

/** Writes to the log what became of a new configuration. */
function reportReload({ applied, needsRestart, rejected }: ReloadReport, log: Logger): void {
  for (const problem of rejected) log.error({ reason: 'config-rejected', ...problem }, formatConfigErrors([problem]));
  if (rejected.length > 0) return;
  if (needsRestart.length > 0)
    log.warn({ reason: 'needs-restart', keys: needsRestart }, 'these keys count after a restart');
  log.info({ applied }, applied.length === 0 ? 'the configuration is as before' : 'configuration reloaded');
}

/** Prints to where the exit code belongs and ends the process once it is written. */
function end(exitCode: number, text: string): void {
  process.exitCode = exitCode;
  const stream = exitCode === 0 ? process.stdout : process.stderr;
  stream.write(`${text}\n`, () => process.exit(exitCode));
}
