import { dirname, join } from 'node:path';
import { startManagement } from '#manage/management-server';
import { systemClock } from '#service/clock';
import { ConfigError, loadConfig, summarizeConfig } from '#service/config';
import type { HssConfig } from '#service/config-shape';
import { createLogger } from '#service/log';
import type { StatusSource } from '#service/node-status';
import { explainStartFailure } from '#service/start-failure';
import { packageVersion } from '#service/version';
import { type Hss, startHss } from './hss.ts';

export interface HssCommand {
  readonly config: string;
  readonly sets: readonly string[];
  readonly check: boolean;
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
    config = loadConfig({ file: command.config, role: 'hss', sets: command.sets }).config;
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
  let hss: Hss;
  let management: { close(): Promise<void> };
  try {
    hss = await startHss(config, {
      state,
      report: (event) =>
        'peer' in event ? log.info({ peer: event.peer, state: event.state }, event.words) : log.error({}, event.words),
    });
    management = await startManagement(
      config.management.socket,
      statusOf(
        config,
        () => hss,
        () => serving,
        startedMs,
      ),
      log,
    );
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
  return 0;
}

function statusOf(config: HssConfig, hss: () => Hss, serving: () => boolean, startedMs: number): StatusSource {
  return {
    status: () => ({
      role: 'hss',
      name: config.name,
      version: packageVersion(),
      pid: process.pid,
      uptimeSeconds: Math.round((systemClock.nowMs() - startedMs) / 100) / 10,
      serving: serving(),
      workers: [],
      listeners: [{ address: `tcp:${hss().address}:${hss().port}`, sides: ['cx'] }],
      peers: hss()
        .peers()
        .map((peer) => ({ host: peer.host, address: peer.remote ?? '', state: peer.state, words: 'connected to us' })),
      registrations: hss().registered,
      reasons: {},
    }),
  };
}
