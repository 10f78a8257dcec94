import { readFileSync } from 'node:fs';
import { statusView } from '#manage/cli/status-view';
import { RpcError } from '#manage/json-rpc';
import { callManagement, ManagementError } from '#manage/management-client';
import { ConfigError, loadConfig } from '#service/config/config';
import type { HssFindings, HssStatus, ListedSubscriptions, ShownSubscription } from './hss-methods.ts';
import { countersView, findingsView, listView, orderView, subscriptionView } from './hss-view.ts';
import type { OrderOutcome } from './server-orders.ts';

/** What to ask of a running HSS. */
export type HssOrder =
  | {
      readonly kind: 'rtr';
      readonly impi: string;
      readonly impus: readonly string[];
      readonly reason: string;
      readonly info: string | undefined;
    }
  | {
      readonly kind: 'ppr';
      readonly impi: string;
      /** File of the profile. */
      readonly profile: string | undefined;
      /** `name=uri`, or a URI alone: the primary ccf. */
      readonly charging: readonly string[];
    }
  | { readonly kind: 'show'; readonly identity: string }
  | { readonly kind: 'list'; readonly registered: boolean; readonly limit: number }
  | { readonly kind: 'status' }
  | { readonly kind: 'findings' };

export interface HssControl {
  readonly order: HssOrder;
  /** Management socket; left out: that of the configuration. */
  readonly socket: string | undefined;
  readonly config: string;
  readonly sets: readonly string[];
  readonly json: boolean;
}

/** A command line that cannot be carried out. */
class UsageError extends Error {}

/** Longer than the HSS waits for an S-CSCF. */
const answerMs = 15_000;
const chargingNames: Readonly<Record<string, string>> = {
  'primary-ccf': 'primaryCcf',
  'secondary-ccf': 'secondaryCcf',
  'primary-ecf': 'primaryEcf',
  'secondary-ecf': 'secondaryEcf',
};

/**
 * Asks a running HSS over its management socket and prints what it says. Gives the exit code: 0; 1 when the HSS cannot be
 * asked, refuses, or an S-CSCF did not answer 2001; 2 for a command line or configuration that is wrong.
 */
export async function controlHss(control: HssControl): Promise<number> {
  try {
    return await carryOut(control);
  } catch (error) {
    if (error instanceof ManagementError || error instanceof RpcError) return say(error.message, 1);
    if (error instanceof ConfigError || error instanceof UsageError) return say(error.message, 2);
    throw error;
  }
}

async function carryOut(control: HssControl): Promise<number> {
  const { json, order } = control;
  const socket =
    control.socket ?? loadConfig({ file: control.config, role: 'hss', sets: control.sets }).config.management.socket;
  const ask = <T>(method: string, params: Record<string, unknown> = {}) =>
    callManagement(socket, method, params, answerMs) as Promise<T>;
  const print = <T>(result: T, view: (result: T) => string) => {
    process.stdout.write(`${json ? JSON.stringify(result, null, 2) : view(result)}\n`);
    return 0;
  };
  switch (order.kind) {
    case 'rtr': {
      const { impi, impus, info, reason } = order;
      const params = { impi, impus, reason, ...(info === undefined ? {} : { info }) };
      const outcome = await ask<OrderOutcome>('hss.rtr', params);
      print(outcome, (result) => orderView('RTA', result));
      return outcome.done ? 0 : 1;
    }
    case 'ppr': {
      const outcome = await ask<OrderOutcome>('hss.ppr', pushParams(order));
      print(outcome, (result) => orderView('PPA', result));
      return outcome.done ? 0 : 1;
    }
    case 'show':
      return print(await ask<ShownSubscription>('hss.show', { identity: order.identity }), subscriptionView);
    case 'list': {
      const { limit, registered } = order;
      return print(await ask<ListedSubscriptions>('hss.list', { limit, registered }), listView);
    }
    case 'status':
      return print(await ask<HssStatus>('hss.status'), (status) => {
        const node = { ...status.node, reasons: {} };
        return `${statusView(node)}\n\n${countersView(status)}`;
      });
    case 'findings':
      return print(await ask<HssFindings>('hss.findings'), findingsView);
  }
}

function pushParams({ charging, impi, profile }: Extract<HssOrder, { kind: 'ppr' }>): Record<string, unknown> {
  const params: Record<string, unknown> = { impi };
  if (profile !== undefined) params.profile = readProfile(profile);
  if (charging.length > 0) params.charging = Object.fromEntries(charging.map(chargingEntry));
  return params;
}

function readProfile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
}

function chargingEntry(text: string): [string, string] {
  const equals = text.indexOf('=');
  const name = equals < 0 ? '' : text.slice(0, equals);
  // A URI may have an equals sign of its own.
  if (equals < 0 || name.includes(':')) return ['primaryCcf', text];
  const key = chargingNames[name];
  if (key === undefined)
    throw new UsageError(`--charging ${name}=: there are ${Object.keys(chargingNames).join(', ')}`);
  return [key, text.slice(equals + 1)];
}

function say(words: string, code: number): number {
  process.stderr.write(`lab hss: ${words}\n`);
  return code;
}
