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
  /** Of an Enumerated: its values by name. */
  readonly values?: Readonly<Record<string, number>>;
  /** Least and most octets of data, where the row says more than its type does. */
  readonly length?: readonly [least: number, most: number];
}

/** What may stand in a message or in a group: a row in neither list may come any number of times. */
export interface AvpRules {
  readonly required: readonly AvpDefinition[];
  /** What else may be there, in the order of the table. */
  readonly optional?: readonly AvpDefinition[];
  /** Those of both lists that may come more than once; all others of them come once. */
  readonly repeated?: readonly AvpDefinition[];
}

/** One Grouped AVP with its members. */
export interface GroupDefinition extends AvpRules {
  readonly group: AvpDefinition<'Grouped'>;
}

export interface ApplicationDefinition {
  readonly name: string;
  readonly id: number;
  /** Not 0: offered and named in a Vendor-Specific-Application-Id. */
  readonly vendor: number;
  /** Messages carry Auth-Session-State NO_STATE_MAINTAINED and the Vendor-Specific-Application-Id (Cx); else the plain Auth-Application-Id (Rx). */
  readonly stateless: boolean;
}

/**
 * One row of a command table: request and answer. As `AvpRules` it says what the request carries beside Session-Id,
 * Origin-Host, Origin-Realm and what every message may carry: 5005 without what is required, 5009 for too many.
 */
export interface CommandDefinition extends AvpRules {
  readonly name: string;
  readonly code: number;
  readonly application: ApplicationDefinition;
  /** What the answer carries beside Session-Id, the result, Origin-Host, Origin-Realm and the application's AVPs. */
  readonly answer?: AvpRules;
}

/** AVP definitions by vendor and code. */
export interface Dictionary {
  /** Takes code and vendor as signed 32-bit numbers (`| 0`); gives undefined for an unknown AVP. */
  find(code: number, vendor: number): AvpDefinition | undefined;
  /** The members of a group, where a table names them. */
  group(definition: AvpDefinition): GroupDefinition | undefined;
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
    group: () => undefined,
  };
}

/** The same dictionary, which knows the members of these groups too. */
export function withGroups(dictionary: Dictionary, ...tables: readonly (readonly GroupDefinition[])[]): Dictionary {
  const groups = new Map(tables.flat().map((row) => [row.group as AvpDefinition, row]));
  return { find: dictionary.find, group: (definition) => groups.get(definition) ?? dictionary.group(definition) };
}
