import { statusView } from '#manage/cli/status-view';
import { RpcError } from '#manage/json-rpc';
import { callManagement, ManagementError } from '#manage/management-client';
import { ConfigError, loadConfig } from '#service/config/config';
import { countersView, findingsView } from '../hss/hss-view.ts';
import type { OrderOutcome } from './bearer-orders.ts';
import type { ListedSessions, PcrfFindings, PcrfStatus, Reloaded, ShownSession } from './pcrf-methods.ts';
import { listView, orderView, sessionView } from './pcrf-view.ts';

/** Which sessions: one by Session-Id or number, or all of an address. */
export interface SessionTarget {
  readonly session: string | undefined;
  readonly ip: string | undefined;
}

/** What to ask of a running PCRF. */
export type PcrfOrder =
  | (SessionTarget & {
      readonly kind: 'rar';
      readonly actions: readonly string[];
      readonly flows: string | undefined;
      readonly cause: string | undefined;
      readonly chargingIdentifier: string | undefined;
      readonly ipCan: number | undefined;
      readonly rat: number | undefined;
      readonly location: string | undefined;
    })
  | (SessionTarget & { readonly kind: 'asr'; readonly cause: string })
  | { readonly kind: 'show'; readonly session: string }
  | { readonly kind: 'list'; readonly ip: string | undefined; readonly limit: number }
  | { readonly kind: 'status' }
  | { readonly kind: 'findings' }
  | { readonly kind: 'reload' };

export interface PcrfControl {
  readonly order: PcrfOrder;
  /** Management socket; left out: that of the configuration. */
  readonly socket: string | undefined;
  readonly config: string;
  readonly sets: readonly string[];
  readonly json: boolean;
}

/** Longer than the PCRF waits for a P-CSCF and its STR. */
const answerMs = 15_000;

/**
 * Asks a running PCRF over its management socket and prints what it says. Gives the exit code: 0; 1 when the PCRF cannot be
 * asked, refuses, or a P-CSCF did not answer 2001; 2 for a command line or configuration that is wrong.
 */
export async function controlPcrf(control: PcrfControl): Promise<number> {
  try {
    return await carryOut(control);
  } catch (error) {
    if (error instanceof ManagementError || error instanceof RpcError) return say(error.message, 1);
    if (error instanceof ConfigError) return say(error.message, 2);
    throw error;
  }
}

async function carryOut(control: PcrfControl): Promise<number> {
  const { json, order } = control;
  const isOrder = order.kind === 'rar' || order.kind === 'asr';
  if (isOrder && (order.session === undefined) === (order.ip === undefined)) {
    return say(`${order.kind} needs either a session or --ip`, 2);
  }
  const socket =
    control.socket ?? loadConfig({ file: control.config, role: 'pcrf', sets: control.sets }).config.management.socket;
  const ask = <T>(method: string, params: Record<string, unknown> = {}) =>
    callManagement(socket, method, given(params), answerMs) as Promise<T>;
  const print = <T>(result: T, view: (result: T) => string) => {
    process.stdout.write(`${json ? JSON.stringify(result, null, 2) : view(result)}\n`);
    return 0;
  };
  switch (order.kind) {
    case 'rar': {
      const { kind, ...params } = order;
      const outcomes = await ask<OrderOutcome[]>(`pcrf.${kind}`, params);
      print(outcomes, (result) => orderView('RAA', result));
      return outcomes.every(({ done }) => done) ? 0 : 1;
    }
    case 'asr': {
      const { kind, ...params } = order;
      const outcomes = await ask<OrderOutcome[]>(`pcrf.${kind}`, params);
      print(outcomes, (result) => orderView('ASA', result));
      return outcomes.every(({ done }) => done) ? 0 : 1;
    }
    case 'show':
      return print(await ask<ShownSession>('pcrf.show', { session: order.session }), sessionView);
    case 'list':
      return print(await ask<ListedSessions>('pcrf.list', { ip: order.ip, limit: order.limit }), listView);
    case 'status':
      return print(await ask<PcrfStatus>('pcrf.status'), (status) => {
        const node = { ...status.node, reasons: {} };
        return `${statusView(node)}\n\n${status.sessions} sessions, ${status.rules} rules\n\n${countersView(status)}`;
      });
    case 'findings':
      return print(await ask<PcrfFindings>('pcrf.findings'), (found) => findingsView(found, 'TS 29.214'));
    case 'reload':
      return print(await ask<Reloaded>('pcrf.reload'), ({ rules }) => `${rules} rules`);
  }
}

function given(params: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}

function say(words: string, code: number): number {
  process.stderr.write(`lab pcrf: ${words}\n`);
  return code;
}
