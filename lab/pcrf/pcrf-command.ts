import { RpcError, rpcCodes } from '#manage/json-rpc';
import { ManagementServer } from '#manage/management-server';
import { systemClock } from '#service/clock';
import { ConfigError, loadConfig, summarizeConfig } from '#service/config/config';
import type { PcrfConfig } from '#service/config/pcrf-config';
import { createLogger } from '#service/log';
import { LogLimiter } from '#service/log-limiter';
import type { NodeStatus } from '#service/node-status';
import { explainStartFailure } from '#service/start-failure';
import { packageVersion } from '#service/version';
import { type Pcrf, startPcrf } from './pcrf.ts';
import { pcrfMethods, type Reloaded } from './pcrf-methods.ts';

export interface PcrfCommand {
  readonly config: string;
  readonly sets: readonly string[];
  readonly check: boolean;
  /** Answer breaches with their errors; left out: as the configuration says. */
  readonly enforce?: boolean | undefined;
}

const drainedMs = 1000;

/**
 * Runs the lab's PCRF until SIGTERM or SIGINT; SIGHUP reads its rules anew. Prints `ready pcrf listen=... rules=...` when
 * it serves. Gives the exit code: 0 after a stop or a check, 1 when it cannot start, 2 for a wrong configuration.
 */
export async function runPcrf(command: PcrfCommand): Promise<number> {
  const load = () => loadConfig({ file: command.config, role: 'pcrf', sets: command.sets }).config;
  let config: PcrfConfig;
  try {
    const loaded = load();
    config = command.enforce === undefined ? loaded : { ...loaded, enforce: command.enforce };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  if (command.check) {
    process.stdout.write(`ok\n${summarizeConfig(config)}\n`);
    return 0;
  }
  const log = createLogger({ ...config.log, base: { role: 'pcrf', name: config.name } });
  const startedMs = systemClock.nowMs();
  let serving = true;
  const limiter = new LogLimiter({ log, clock: systemClock });
  const ticking = setInterval(() => limiter.tick(), 1000).unref();
  let pcrf: Pcrf;
  let management: { close(): Promise<void> };
  const reload = (): Reloaded => {
    const { rules } = load();
    pcrf.replaceRules(rules);
    log.info({ rules: rules.length }, 'rules read anew');
    return { rules: rules.length };
  };
  try {
    pcrf = await startPcrf(config, {
      report: (event) =>
        'peer' in event ? log.info({ peer: event.peer, state: event.state }, event.words) : log.warn({}, event.words),
      noted: ({ breach, id, message, peer, words }) => limiter.warn(id, peer, { message, breach }, words),
    });
    const methods = pcrfMethods(
      pcrf,
      () => nodeStatus(config, pcrf, serving, startedMs),
      () => orRefuse(reload),
    );
    management = await ManagementServer.listen(config.management.socket, methods, log);
  } catch (error) {
    log.debug({ reason: 'start-failed', err: error }, 'cannot start');
    process.stderr.write(`pcrf: cannot start: ${explainStartFailure(error) ?? (error as Error).message}\n`);
    return 1;
  }
  process.on('SIGHUP', () => {
    try {
      reload();
    } catch (error) {
      log.error({}, `the rules stay as they are: ${(error as Error).message}`);
    }
  });
  process.stdout.write(`ready pcrf listen=tcp:${pcrf.address}:${pcrf.port} rules=${pcrf.ruleCount}\n`);

  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  serving = false;
  log.info({ signal }, 'stopping');
  const limit = setTimeout(() => process.exit(0), config.drain * 1000 + drainedMs);
  await pcrf.close();
  await management.close();
  clearTimeout(limit);
  clearInterval(ticking);
  return 0;
}

function orRefuse<T>(reload: () => T): T {
  try {
    return reload();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new RpcError(rpcCodes.invalidParams, `the rules stay as they are:\n${error.message}`);
  }
}

function nodeStatus(config: PcrfConfig, pcrf: Pcrf, serving: boolean, startedMs: number): NodeStatus {
  return {
    role: 'pcrf',
    name: config.name,
    version: packageVersion(),
    pid: process.pid,
    uptimeSeconds: Math.round((systemClock.nowMs() - startedMs) / 100) / 10,
    serving,
    workers: [],
    listeners: [{ address: `tcp:${pcrf.address}:${pcrf.port}`, sides: ['rx'] }],
    peers: pcrf
      .peers()
      .map((peer) => ({ host: peer.host, address: peer.remote ?? '', state: peer.state, words: peer.words })),
    registrations: 0,
    reasons: {},
  };
}
