/** The data formats of AVPs. Source: RFC 6733 4.2, 4.3. */
export type AvpType =
  | 'OctetString'
  | 'Integer32'
  | 'Integer64'
  | 'Unsigned32'
  | 'Unsigned64'
  | 'Float32'
  | 'Float64'
  | 'Grouped'
  | 'Address'
  | 'Time'
  | 'UTF8String'
  | 'DiameterIdentity'
  | 'DiameterURI'
  | 'Enumerated'
  | 'IPFilterRule';

/** One row of a dictionary table; `mandatory`: whether we set the M bit when sending it (the V bit follows `vendor`). */
export interface AvpDefinition<T extends AvpType = AvpType> {
  readonly name: string;
  readonly code: number;
  /** 0: an AVP of the IETF, sent without Vendor-Id. */
  readonly vendor: number;
  readonly type: T;
  readonly mandatory: boolean;
}

export interface ApplicationDefinition {
  readonly name: string;
  readonly id: number;
  /** Not 0: offered and named in a Vendor-Specific-Application-Id. */
  readonly vendor: number;
  /** Messages carry Auth-Session-State NO_STATE_MAINTAINED and the Vendor-Specific-Application-Id (Cx); else the plain Auth-Application-Id (Rx). */
  readonly stateless: boolean;
}

export interface CommandDefinition {
  readonly name: string;
  readonly code: number;
  readonly application: ApplicationDefinition;
  /** What a request must carry beside Session-Id, Origin-Host and Origin-Realm (5005 when it does not). */
  readonly required: readonly AvpDefinition[];
}

/** AVP definitions by vendor and code. */
export interface Dictionary {
  /** Takes code and vendor as signed 32-bit numbers (`| 0`); gives undefined for an unknown AVP. */
  find(code: number, vendor: number): AvpDefinition | undefined;
}

export const VENDOR_3GPP = 10415;
export const VENDOR_ETSI = 13019;

const DIRECT_CODES = 4096;

/**
 * Makes a dictionary of the given tables (`Object.values` of them); a later row replaces an earlier one with the same
 * vendor and code. The two vendors that fill messages are looked up by array index.
 */
export function createDictionary(...tables: readonly Readonly<Record<string, AvpDefinition>>[]): Dictionary {
  const ietf: (AvpDefinition | undefined)[] = new Array(DIRECT_CODES).fill(undefined);
  const tgpp: (AvpDefinition | undefined)[] = new Array(DIRECT_CODES).fill(undefined);
  const others = new Map<number, Map<number, AvpDefinition>>();
  for (const table of tables) {
    for (const definition of Object.values(table)) {
      const { code, vendor } = definition;
      if (code < DIRECT_CODES && vendor === 0) ietf[code] = definition;
      else if (code < DIRECT_CODES && vendor === VENDOR_3GPP) tgpp[code] = definition;
      else {
        let codes = others.get(vendor | 0);
        if (codes === undefined) others.set(vendor | 0, (codes = new Map()));
        codes.set(code | 0, definition);
      }
    }
  }
  return {
    find(code, vendor) {
      if (code >= 0 && code < DIRECT_CODES) {
        if (vendor === VENDOR_3GPP) return tgpp[code];
        if (vendor === 0) return ietf[code];
      }
      return others.get(vendor)?.get(code);
    },
  };
}
