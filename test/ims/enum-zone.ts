import type { DnsRecord } from '../sip/resolver/dns-server.ts';

/** What a NAPTR record of a number says beside its rule; the rest is usual. */
export interface EnumRecordOptions {
  readonly service?: string;
  readonly order?: number;
  readonly preference?: number;
  readonly flags?: string;
  readonly suffix?: string;
}

/** A NAPTR record that rewrites a number: `enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')`. */
export function enumRecord(number: string, regexp: string, options: EnumRecordOptions = {}): DnsRecord {
  const { service = 'E2U+sip', order = 10, preference = 10, flags = 'u', suffix = 'e164.arpa' } = options;
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(order, 0);
  head.writeUInt16BE(preference, 2);
  const data = Buffer.concat([head, text(flags), text(service), text(regexp), Buffer.from([0])]);
  return { name: enumNameOf(number, suffix), type: 'NAPTR', ttl: 60, data };
}

/** Where the records of a number stand. */
export function enumNameOf(number: string, suffix = 'e164.arpa'): string {
  return `${[...number.slice(1)].reverse().join('.')}.${suffix}`;
}
