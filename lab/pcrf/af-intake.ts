import { baseAvps } from '#diameter/dictionary/base';
import { rxCommands } from '#diameter/dictionary/rx';
import type { DiameterIdentity } from '#diameter/identity';
import type { DiameterResult } from '#diameter/result';
import type { Findings } from '../diameter/finding.ts';
import { isBreach } from '../diameter/finding-refusal.ts';
import { RecentRequests } from '../diameter/recent-requests.ts';
import { inspectRequest } from '../diameter/request-inspection.ts';
import { type AfContext, isLeftUnanswered } from './af-requests.ts';
import { encodeRefusalFor, type RxFinding } from './rx-finding.ts';
import { rxProtocol } from './rx-protocol.ts';
import { sessionFindings } from './session-inspection.ts';

export interface AfIntakeOptions {
  readonly context: AfContext;
  readonly findings: Findings;
  readonly identity: DiameterIdentity;
  /** Whether breaches are answered with their errors. */
  readonly enforce: boolean;
  readonly wallMs: () => number;
  /** Whether a connected peer has this Origin-Host. */
  isPeer(host: string): boolean;
  /** Takes a request that is to be served. */
  serve(octets: Buffer): void;
  /** Takes the refusal of one that is not. */
  answer(octets: Buffer): void;
  /** A P-CSCF has restarted, and so many of its sessions were not ended. */
  restarted(host: string, forgotten: number): void;
}

/** Where requests of P-CSCFs come in: they are counted, held against tables and sessions, and served or refused. */
export class AfIntake {
  /** By name of the request. */
  readonly requests: Record<string, number> = {};
  /** By name of the request and result: `AAR 2001`, `AAR x5063` for an Experimental-Result, `AAR none`. */
  readonly results: Record<string, number> = {};
  readonly retransmitted: Record<string, number> = {};
  readonly #options: AfIntakeOptions;
  readonly #recent: RecentRequests;

  constructor(options: AfIntakeOptions) {
    this.#options = options;
    this.#recent = new RecentRequests(options.wallMs);
  }

  take(octets: Buffer): void {
    const { context, enforce, findings, identity, isPeer } = this.#options;
    const inspected = inspectRequest(octets, { identity, isPeer }, rxProtocol);
    const { name, peer, request } = inspected;
    const stateId = request?.avps.unsigned32(baseAvps.originStateId);
    if (stateId !== undefined) this.#options.restarted(peer, context.sessions.noteState(peer, stateId));
    bump(this.requests, name);
    if (inspected.retransmitted) bump(this.retransmitted, name);
    const ofSession = request === undefined ? [] : sessionFindings(request, context.sessions);
    const ofIdentifier = this.#recent.inspect(octets, peer, inspected.retransmitted);
    const found: readonly RxFinding[] = [...inspected.findings, ...ofSession, ...ofIdentifier];
    for (const finding of found) findings.add(name, peer, finding);
    const breach = enforce ? found.find(isBreach) : undefined;
    if (breach !== undefined) {
      bump(this.results, `${name} ${breach.experimental === true ? 'x' : ''}${breach.resultCode}`);
      this.#options.answer(encodeRefusalFor(breach, octets, request, identity));
    } else if (request?.command === rxCommands.aa.code && isLeftUnanswered(context, request)) {
      bump(this.results, `${name} none`);
    } else this.#options.serve(octets);
  }

  /** Counts the answer to a request that was served. */
  answered(name: string, { code, kind }: DiameterResult): void {
    bump(this.results, `${name} ${kind === 'base' ? '' : 'x'}${code}`);
  }
}

function bump(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
