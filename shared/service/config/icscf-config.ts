import type { CommonConfig, DiameterConfig, NumbersConfig, RoutesConfig } from './config-shape.ts';

/** The configuration of an I-CSCF. */
export interface IcscfConfig extends CommonConfig {
  readonly role: 'icscf';
  readonly diameter: DiameterConfig;
  readonly scscfs: readonly {
    readonly uri: string;
    readonly capabilities: readonly number[];
    readonly priority: number;
    readonly weight: number;
  }[];
  readonly selection: { readonly tries: number; readonly responseTimeout: number; readonly restoration: boolean };
  /** Seconds. */
  readonly locationCache: number;
  readonly numbers: NumbersConfig;
  readonly routes: RoutesConfig;
  readonly unknownUser: 604 | 404;
}
