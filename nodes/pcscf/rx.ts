import { systemClock } from '#diameter/clock';
import { RxClient } from '#diameter/rx/rx-client';
import type { RxOutcome, RxOutcomePolicy } from '#diameter/rx/rx-outcome';
import { RxSessions } from '#diameter/rx/rx-sessions';
import { CidrTable } from '#service/cidr';
import type { PcscfConfig, RxMode } from '#service/config/pcscf-config';
import { LogLimiter } from '#service/log-limiter';
import type { NodeContext } from '#service/node-context';
import { longestHoldMs } from './media-authorization.ts';
import { defaultMediaOptions, type MediaComponentOptions } from './media-components.ts';
import { RxRecords } from './rx-records.ts';
import { type RxServiceOptions, rxServiceOptionsOf } from './rx-services.ts';

/** What the procedures of Rx share, in one worker. */
export interface RxSide {
  readonly client: RxClient;
  readonly sessions: RxSessions;
  /** What is written down of them, for the next start. */
  readonly records: RxRecords;
  readonly service: RxServiceOptions;
  readonly media: MediaComponentOptions;
  /** Whether a PCRF is told of an offer before its answer. */
  readonly tellsOffers: boolean;
  /** `rx.mode` of the network of a UE. Requirement P-120. */
  modeOf(address: string): RxMode;
  policyOf(mode: 'optional' | 'required'): RxOutcomePolicy;
  /** Counts what a PCRF said, and logs where it was no yes; `fields` say of what. Requirement P-125. */
  report(outcome: RxOutcome, fields: Readonly<Record<string, unknown>>): void;
}

const policies = { optional: { mode: 'optional' }, required: { mode: 'required' } } as const;

/**
 * The Rx side of one worker, null where the configuration names no Diameter peers. From here on RARs and ASRs are
 * answered: 5002 for sessions that this worker does not hold. Source: TS 29.214 4.4; requirements P-120, P-127, P-128.
 */
export function openRx(context: NodeContext<PcscfConfig>): RxSide | null {
  const { clock, diameter, log, serveDiameter, store, wheel } = context;
  if (diameter === null) return null;
  let asked = askedOf(context.config);
  context.onConfig((next) => {
    asked = askedOf(next);
  });
  const client = new RxClient(diameter, {
    get realm() {
      return asked.realm ?? diameter.identity.originRealm;
    },
    get timeoutMs() {
      return asked.timeoutMs;
    },
  });
  const sessions = new RxSessions({
    port: client,
    clock: systemClock,
    onDefect: (error) => log.error({ reason: 'internal', err: error }, 'an event of a PCRF was not handled: a defect'),
  });
  sessions.serve(serveDiameter);
  const limiter = new LogLimiter({ log, clock });
  return {
    client,
    sessions,
    records: new RxRecords(store, wheel),
    get service() {
      return asked.service;
    },
    get media() {
      return asked.media;
    },
    get tellsOffers() {
      return asked.tellsOffers;
    },
    modeOf: (address) => asked.modeOf(address),
    policyOf: (mode) => policies[mode],
    report(outcome, fields) {
      if (outcome.kind === 'continue' && outcome.granted) {
        context.count('rx-granted');
        return;
      }
      const goesOn = outcome.kind === 'continue';
      context.count(goesOn ? 'rx-not-granted' : 'rx-refused');
      const reason = goesOn ? 'rx-not-granted' : 'rx-refused';
      const message = goesOn
        ? 'no consent of a PCRF: goes on without quality of service'
        : 'the PCRF does not consent: refused';
      limiter.warn(reason, '', { words: outcome.words, ...fields }, message);
    },
  };
}

/** What follows from the configuration: whom a PCRF is asked about, and how. */
function askedOf(config: PcscfConfig) {
  const { rx, diameter } = config;
  return {
    realm: diameter?.realms.find(({ application }) => application === 'rx')?.realm,
    timeoutMs: Math.min(longestHoldMs, (diameter?.timeout ?? 5) * 1000),
    service: rxServiceOptionsOf(rx),
    media: { ...defaultMediaOptions, earlyMedia: rx.earlyMedia, omitSourcePorts: rx.omitSourcePorts },
    tellsOffers: rx.preliminary,
    modeOf: modeTable(config),
  };
}

/** Mode by address: that of the closest network of `access` which has one, else `rx.mode`. */
function modeTable({ access, rx }: Pick<PcscfConfig, 'access' | 'rx'>): (address: string) => RxMode {
  if (access.every((entry) => entry.rx === undefined || entry.rx === rx.mode)) return () => rx.mode;
  const table = new CidrTable(access.map((entry) => [entry.from, entry.rx ?? rx.mode] as const));
  return (address) => table.find(address) ?? rx.mode;
}
