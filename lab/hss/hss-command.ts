import { dirname, join } from 'node:path';
import { ManagementServer } from '#manage/management-server';
import { systemClock } from '#service/clock';
import { ConfigError, loadConfig, summarizeConfig } from '#service/config/config';
import type { HssConfig } from '#service/config/hss-config';
import { createLogger } from '#service/log';
import { LogLimiter } from '#service/log-limiter';
import type { NodeStatus } from '#service/node-status';
import { explainStartFailure } from '#service/start-failure';
import { packageVersion } from '#service/version';
import { type Hss, startHss } from './hss.ts';
import { hssMethods } from './hss-methods.ts';

export interface HssCommand {
  readonly config: string;
  readonly sets: readonly string[];
  readonly check: boolean;
  /** Answer breaches with their errors; left out: as the configuration says. */
  readonly enforce?: boolean | undefined;
  /** Folder of the registration states; left out: beside the management socket. */
  readonly state?: string | undefined;
}

const drainedMs = 1000;

/**
 * Runs the lab's HSS until SIGTERM or SIGINT. Prints `ready hss listen=... subscribers=...` when it serves. Gives the
 * exit code: 0 after a stop or a check, 1 when it cannot start, 2 for a wrong configuration.
 */
export async function runHss(command: HssCommand): Promise<number> {
  let config: HssConfig;
  try {
    const { config: loaded } = loadConfig({ file: command.config, role: 'hss', sets: command.sets });
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
  const log = createLogger({ ...config.log, base: { role: 'hss', name: config.name } });
  const state = command.state ?? join(dirname(config.management.socket), 'hss');
  const startedMs = systemClock.nowMs();
  let serving = true;
  const limiter = new LogLimiter({ log, clock: systemClock });
  const ticking = setInterval(() => limiter.tick(), 1000).unref();
  let hss: Hss;
  let management: { close(): Promise<void> };
  try {
    hss = await startHss(config, {
      state,
      report: (event) =>
        'peer' in event ? log.info({ peer: event.peer, state: event.state }, event.words) : log.error({}, event.words),
      noted: ({ breach, id, message, peer, words }) => limiter.warn(id, peer, { message, breach }, words),
    });
    const methods = hssMethods(hss, () => nodeStatus(config, hss, serving, startedMs));
    management = await ManagementServer.listen(config.management.socket, methods, log);
  } catch (error) {
    log.debug({ reason: 'start-failed', err: error }, 'cannot start');
    process.stderr.write(`hss: cannot start: ${explainStartFailure(error) ?? (error as Error).message}\n`);
    return 1;
  }
  process.stdout.write(`ready hss listen=tcp:${hss.address}:${hss.port} subscribers=${hss.subscribers}\n`);

  const signal = await new Promise<string>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  serving = false;
  log.info({ signal }, 'stopping');
  const limit = setTimeout(() => process.exit(0), config.drain * 1000 + drainedMs);
  await hss.close();
  await management.close();
  clearTimeout(limit);
  clearInterval(ticking);
  return 0;
}

function nodeStatus(config: HssConfig, hss: Hss, serving: boolean, startedMs: number): NodeStatus {
  return {
    role: 'hss',
    name: config.name,
    version: packageVersion(),
    pid: process.pid,
    uptimeSeconds: Math.round((systemClock.nowMs() - startedMs) / 100) / 10,
    serving,
    workers: [],
    listeners: [{ address: `tcp:${hss.address}:${hss.port}`, sides: ['cx'] }],
    peers: hss
      .peers()
      .map((peer) => ({ host: peer.host, address: peer.remote ?? '', state: peer.state, words: peer.words })),
    registrations: 0,
    reasons: {},
  };
}
