import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from '#lab/network/lab-config';
import { callManagement } from '#manage/management-client';
import { traceVariable } from '#manage/trace-recorder';
import type { NodeStatus } from '#service/node-status';
import type { Capture } from '../ipsec/capture.ts';
import { NamespaceRig, type RigHost } from '../ipsec/namespaces.ts';
import { IpsecPhone, type PhoneSetup } from './ipsec-phone.ts';
import { SecretSweep } from './secret-sweep.ts';
import { until as untilMs } from './transport-lab.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The guest of `npm run test:kernel-ipsec` has a kernel that does ESP. */
export const defaultBackend = process.env.CSCF_IPSEC_BACKEND === 'kernel' ? 'kernel' : 'userspace';
/** An emulated machine takes its time. */
export const slowness = defaultBackend === 'kernel' ? 10 : 1;

vi.setConfig({ testTimeout: 60_000 * slowness, hookTimeout: 60_000 * slowness });

/** Waits for something that a node or phone does in a moment. */
export function until(words: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  return untilMs(words, condition, 10_000 * slowness);
}

export interface IpsecLabOptions {
  /** Default: that of CSCF_IPSEC_BACKEND, else userspace. */
  readonly backend?: 'auto' | 'kernel' | 'userspace';
  readonly workers?: number;
  /** IPv6 between phones and P-CSCF. */
  readonly v6?: boolean;
  /** What is put over `ipsec` of the P-CSCF. */
  readonly ipsec?: object;
  /** What is put over the rest of its configuration. */
  readonly pcscf?: object;
  /** What is put over `auth` of the S-CSCF. */
  readonly auth?: object;
  /** Of the S-CSCF; with several, challenges are in its store. */
  readonly homeWorkers?: number;
  /** Socket of a collector that all nodes report their messages to. */
  readonly traceSocket?: string;
}

/** A command as it runs on a host of the rig. */
function commandOn({ pid }: RigHost, command: readonly string[]): string[] {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  return ['nsenter', '--target', String(pid), '--net', ...user, ...command];
}

/**
 * HSS and three CSCFs in one network namespace, two phones with IPsec each in its own. `stop` throws when CK or IK of any
 * challenge stands in what a phone heard, in a log or in a store.
 */
export class IpsecLab {
  readonly rig: NamespaceRig;
  readonly config: LabConfig;
  readonly folder: string;
  readonly #options: IpsecLabOptions;
  readonly #daemons = new Map<LabRole, Daemon>();
  readonly #phones: IpsecPhone[] = [];

  private constructor(rig: NamespaceRig, config: LabConfig, folder: string, options: IpsecLabOptions) {
    this.rig = rig;
    this.config = config;
    this.folder = folder;
    this.#options = options;
  }

  static async start(options: IpsecLabOptions = {}): Promise<IpsecLab> {
    const rig = await NamespaceRig.open(['pcscf', 'alice', 'bob']);
    const folder = mkdtempSync(join(tmpdir(), 'cscf-ipsec-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    const lab = new IpsecLab(rig, config, folder, options);
    try {
      lab.#writeLogLevels();
      lab.#writePcscf();
      lab.#writeScscf();
      for (const role of labRoles) await lab.launch(role);
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** CK and IK of the phones' challenges so far, hexadecimal. */
  async keys(): Promise<string[]> {
    const heard = await Promise.all(this.#openPhones.map((phone) => phone.ask('heard')));
    return heard.flatMap(({ keys }) => keys);
  }

  /** What phones have heard, logs, stores and all else that nodes have written. `captures`: of the wire, stopped. */
  async outputs(captures: readonly Capture[] = []): Promise<SecretSweep> {
    const sweep = new SecretSweep();
    for (const phone of this.#openPhones) {
      const { messages } = await phone.ask('heard');
      sweep.add(`to ${phone.setup.impi}`, Buffer.from(messages.join('\n'), 'latin1'));
    }
    for (const { file } of captures) sweep.add('the wire', readFileSync(file));
    await sweep.addFolder(this.folder);
    return sweep;
  }

  get #openPhones(): IpsecPhone[] {
    return this.#phones.filter((phone) => phone.isOpen);
  }

  get host(): RigHost {
    return this.rig.host('pcscf');
  }

  /** Where the phones find the P-CSCF. */
  get gm(): { readonly address: string; readonly port: number } {
    return { address: this.addressOf('pcscf'), port: 5060 };
  }

  addressOf(name: string): string {
    const { address, address6 } = this.rig.host(name);
    return this.#options.v6 ? address6 : address;
  }

  /** The phone of alice or bob, not registered yet. */
  async open(name: 'alice' | 'bob', how: Partial<PhoneSetup> = {}): Promise<IpsecPhone> {
    const { impi, impus, k, op, opc } = this.config.phones[name === 'alice' ? 0 : 1];
    const phone = await IpsecPhone.open(this.rig.host(name), {
      domain: this.config.domain,
      impi: impi!,
      impu: impus?.[0] ?? `sip:${impi}`,
      keys: { k, ...(op === undefined ? {} : { op }), ...(opc === undefined ? {} : { opc }) },
      proxy: this.gm,
      address: this.addressOf(name),
      backend: this.#options.backend ?? defaultBackend,
      ...how,
    });
    this.#phones.push(phone);
    return phone;
  }

  /** The same, registered. Throws with the refusal. */
  async phone(name: 'alice' | 'bob', how: Partial<PhoneSetup> = {}): Promise<IpsecPhone> {
    const phone = await this.open(name, how);
    await phone.register();
    return phone;
  }

  status(role: Exclude<LabRole, 'hss'>): Promise<NodeStatus> {
    return callManagement(join(this.folder, `${role}.sock`), 'status', {}) as Promise<NodeStatus>;
  }

  /** Orders the HSS to do something: `hss.rtr`. */
  hss(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    return callManagement(join(this.folder, 'hss.sock'), method, params);
  }

  log(role: LabRole): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  async launch(role: LabRole): Promise<void> {
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    const command = [join(root, program[0]!), ...program.slice(1), '--config', this.config.files[role]];
    const daemon = new Daemon({
      name: role,
      command: commandOn(this.host, command),
      env: {
        ...process.env,
        CSCF_TEST_TRIGGER: '1',
        ...(this.#options.traceSocket === undefined ? {} : { [traceVariable]: this.#options.traceSocket }),
      },
      logFile: join(this.folder, `${role}.log`),
      readyMs: 20_000 * slowness,
    });
    this.#daemons.set(role, daemon);
    await daemon.ready;
    if (role !== 'icscf' && role !== 'scscf') return;
    await until(`${role} is connected with the HSS`, async () =>
      (await this.status(role)).peers.every((peer) => peer.state.startsWith('open-')),
    );
  }

  /** Ends a node, as an operator does. */
  async end(role: LabRole): Promise<void> {
    await this.#daemons.get(role)?.stop();
  }

  async stop(): Promise<void> {
    try {
      const keys = await this.keys();
      await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
      const found = (await this.outputs()).find(keys);
      if (found.length > 0) throw new Error(`CK or IK stands in ${found.join(', ')}`);
    } finally {
      await Promise.all(this.#phones.map((phone) => phone.close().catch(() => {})));
      await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
      await this.rig.close();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  /** Nodes say all that they can. */
  #writeLogLevels(): void {
    for (const role of labRoles) {
      const file = this.config.files[role];
      const contents = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
      writeFileSync(file, JSON.stringify({ ...contents, log: { ...contents.log, level: 'trace' } }));
    }
  }

  #writeScscf(): void {
    const file = this.config.files.scscf;
    const contents = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
    const { auth, homeWorkers: workers = 1 } = this.#options;
    writeFileSync(file, JSON.stringify({ ...contents, workers, auth: { ...contents.auth, ...auth } }));
  }

  #writePcscf(): void {
    const file = this.config.files.pcscf;
    const contents = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
    const address = this.#options.v6 ? `[${this.addressOf('pcscf')}]` : this.addressOf('pcscf');
    const networks = ['0.0.0.0/0', '::/0'];
    writeFileSync(
      file,
      JSON.stringify({
        ...contents,
        workers: this.#options.workers ?? 1,
        listeners: { ...contents.listeners, gm: [`udp:${address}:5060`, `tcp:${address}:5060`] },
        access: networks.map((from) => ({ from, security: 'ipsec-required' })),
        ipsec: { backend: this.#options.backend ?? defaultBackend, ...this.#options.ipsec },
        ...this.#options.pcscf,
      }),
    );
  }
}
