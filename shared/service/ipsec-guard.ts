import { type ChosenBackend, chooseBackend } from '#ipsec/choose-backend';
import { type IpsecBackend, type IpsecCounters, IpsecError } from '#ipsec/ipsec-backend';
import type { Endpoint } from '#ipsec/security-association';
import type { CommonConfig } from './config/config-shape.ts';
import type { IpsecConfig, PcscfConfig } from './config/pcscf-config.ts';
import type { IpsecStatus } from './node-status.ts';
import type { ServiceContext } from './service.ts';
import { statusEveryMs } from './worker-answer.ts';

type Choose = (config: IpsecConfig) => Promise<ChosenBackend>;

function chooseOfThisHost({ backend, addresses, algorithms, replay }: IpsecConfig): Promise<ChosenBackend> {
  const pairs = algorithms.map(({ alg, ealg }) => ({ integrity: alg, encryption: ealg }));
  return chooseBackend(backend, { algorithms: pairs, addresses, replayWindow: replay });
}

const noDrops: IpsecCounters = { plain: 0, integrity: 0, replay: 0, mismatch: 0, unknown: 0 };

/**
 * Opens the back end that a P-CSCF's configuration asks for and closes its protected ports to all plain traffic: before
 * anybody listens on them. Null without `ipsec`, and where no back end works but no UE needs one (ipsec-preferred).
 *
 * Throws IpsecError when UEs need one and none works. Source: TS 33.203 7; requirements P-02, P-05, P-39.
 */
export async function openIpsecGuard(
  config: CommonConfig,
  { log }: Pick<ServiceContext, 'log'>,
  choose: Choose = chooseOfThisHost,
): Promise<IpsecGuard | null> {
  if (config.role !== 'pcscf') return null;
  const { ipsec, access } = config as PcscfConfig;
  if (ipsec === undefined) return null;
  const { backend, words } = await choose(ipsec);
  if (backend !== null) {
    log.info({ backend: backend.kind }, words);
    const side = new IpsecGuard(backend);
    await side.guard(config);
    return side;
  }
  if (access.some(({ security }) => security === 'ipsec-required'))
    throw new IpsecError('ERR_IPSEC_UNSUPPORTED', advice(words));
  log.warn({ reason: 'ipsec-missing' }, `UEs register without IPsec: ${words}`);
  return null;
}

/** Without the protected listeners: where no back end keeps plain traffic from them. */
export function withoutProtected<C extends CommonConfig>(config: C): C {
  return { ...config, listeners: config.listeners.filter(({ protection }) => protection === undefined) };
}

/** The back end as the daemon holds it: for the workers, and for what is told of it. */
export class IpsecGuard {
  readonly backend: IpsecBackend;
  #dropped: IpsecCounters = noDrops;
  #associations = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(backend: IpsecBackend) {
    this.backend = backend;
    this.#timer = setInterval(() => this.#look(), statusEveryMs).unref();
  }

  /** `sets`: how many the workers keep. */
  status(sets: number): IpsecStatus {
    return { backend: this.backend.kind, associations: this.#associations, sets, dropped: this.#dropped };
  }

  async guard({ listeners }: CommonConfig): Promise<void> {
    try {
      await this.backend.guard(protectedPorts(listeners));
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  /** Associations and guard stay, so that registrations outlive a restart. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.backend.close(true);
  }

  #look(): void {
    Promise.all([this.backend.counters(), this.backend.count()]).then(
      ([counters, count]) => {
        this.#dropped = counters;
        this.#associations = count;
      },
      () => {},
    );
  }
}

/** Each local address and port once, UDP and TCP together. */
function protectedPorts(listeners: CommonConfig['listeners']): Endpoint[] {
  return listeners
    .filter(({ protection, transport }) => protection !== undefined && transport === 'udp')
    .map(({ address, port }) => ({ address, port }));
}

function advice(words: string): string {
  return `access says ipsec-required, and there is no IPsec here: ${words}. Give this program CAP_NET_ADMIN and CAP_NET_RAW (setcap, or AmbientCapabilities of the service), or write ipsec-preferred or none under access`;
}
