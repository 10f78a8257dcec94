import type { PcscfConfig } from '#service/config/pcscf-config';
import type { NodeContext } from '#service/node-context';
import { giveUpMs } from '#sip/transaction/timers';
import type { Flow } from '#sip/transport/flow';
import { AssociationTable } from './association-table.ts';
import { Associations } from './associations.ts';
import { openKeySeal } from './key-seal.ts';
import { ProtectedPorts } from './protected-ports.ts';
import { restoreAssociations } from './restore-associations.ts';
import type { AlgorithmPair } from './security-agreement.ts';

/** What the procedures of IPsec share, in one worker. */
export interface IpsecSide {
  readonly associations: Associations;
  readonly ports: ProtectedPorts;
  /** Algorithms that may be agreed, the preferred pair first. */
  readonly order: readonly AlgorithmPair[];
  /** Whether a REGISTER is refused whose Via or Contact is not at the UE's end of its association. */
  readonly strictContact: boolean;
}

/**
 * The IPsec side of one worker, null where no access profile asks for IPsec. The first worker brings what an earlier life
 * has left in order. Requirements P-39, P-59.
 */
export function openIpsec(context: NodeContext<PcscfConfig>): IpsecSide | null {
  const { config, clock, store, worker, log, bootMs, ipsec: port } = context;
  const { ipsec } = config;
  if (ipsec === undefined) return null;
  const ports = new ProtectedPorts(context.listeners.all);
  const table = new AssociationTable(store, clock, ports);
  const seal = openKeySeal(ipsec.storeKey);
  const { t1, t2, t4 } = config.timers.gm;
  const lingerMs = giveUpMs({ t1Ms: t1, t2Ms: t2, t4Ms: t4 });
  const associations = new Associations({ table, ports, port, seal, lingerMs, context });
  if (port !== null && worker === 0) {
    restoreAssociations({ table, port, seal, clock, bootMs }).then(
      (report) => {
        if (report === null || Object.values(report).every((number) => number === 0)) return;
        log.info({ ...report }, 'security associations of the last run');
        if (report.lost > 0) {
          const fields = { reason: 'associations-lost', lost: report.lost };
          log.warn(fields, 'security associations are gone with the last run: these UEs have to register again');
        }
      },
      (error: unknown) =>
        log.error({ reason: 'ipsec-failed', err: error }, 'security associations of the last run cannot be read'),
    );
  }
  return { associations, ports, order: ipsec.algorithms, strictContact: ipsec.strictContact };
}

/**
 * The UE whose security association a flow is: null when it is that of nobody who has proved who he is, undefined when
 * the flow is not protected. Requirements P-40, P-70.
 */
export function protectedUe(
  side: IpsecSide | null,
  flow: Flow,
): { readonly impi: string; readonly address: string } | null | undefined {
  if (side === null || side.ports.listenerOf(flow) === null) return undefined;
  const set = side.associations.ofRequest(flow);
  return set === null ? null : { impi: set.impi, address: set.ue.address };
}
