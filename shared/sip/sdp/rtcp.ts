import { ParseFailure } from '#sip/errors';
import { decimalAt } from '#sip/header/number-value';
import { formatOfAttribute } from './codec.ts';
import { type Connection, parseConnection } from './connection.ts';

/** Where the control packets of an RTP stream are to be sent. */
export interface Rtcp {
  /** 1 to 65535. */
  readonly port: number;
  /** Null: the address of the media. */
  readonly connection: Connection | null;
}

/** Reads the value of a=rtcp: a port, and an address where it is another one. Source: RFC 3605 2.1. */
export function parseRtcp(value: string): Rtcp | ParseFailure {
  const portText = formatOfAttribute(value);
  const port = decimalAt(portText, 0, portText.length, 0xffff);
  if (port instanceof ParseFailure || port === 0) return new ParseFailure('malformed RTCP port');
  if (portText.length === value.length) return { port, connection: null };
  const connection = parseConnection(value.slice(portText.length));
  return connection instanceof ParseFailure ? connection : { port, connection };
}
