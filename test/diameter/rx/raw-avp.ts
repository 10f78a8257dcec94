/** One AVP put together by hand, without our encoder: `M`, `V` of 3GPP, or `E` of ETSI; a number is 32 bits. */
export function raw(code: number, flags: string, data: string | number | Buffer | readonly Buffer[]): Buffer {
  const vendor = flags.includes('V') ? 10415 : flags.includes('E') ? 13019 : 0;
  let octets: Buffer;
  if (typeof data === 'number') {
    octets = Buffer.alloc(4);
    octets.writeUInt32BE(data >>> 0);
  } else if (typeof data === 'string') octets = Buffer.from(data, 'latin1');
  else octets = Buffer.isBuffer(data) ? data : Buffer.concat(data);
  const head = Buffer.alloc(vendor === 0 ? 8 : 12);
  head.writeUInt32BE(code, 0);
  head.writeUInt8((vendor === 0 ? 0 : 0x80) | (flags.includes('M') ? 0x40 : 0), 4);
  head.writeUIntBE(head.length + octets.length, 5, 3);
  if (vendor !== 0) head.writeUInt32BE(vendor, 8);
  return Buffer.concat([head, octets, Buffer.alloc(-octets.length & 3)]);
}

/** One message put together by hand; flags as in the header (0xc0: a request that may be proxied). */
export function rawMessage(
  { command, flags, hopByHop, endToEnd = 1 }: { command: number; flags: number; hopByHop: number; endToEnd?: number },
  avps: readonly Buffer[],
  application = 16777236,
): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(command, 4);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(application, 8);
  head.writeUInt32BE(hopByHop, 12);
  head.writeUInt32BE(endToEnd, 16);
  const message = Buffer.concat([head, ...avps]);
  message.writeUInt32BE(0x01000000 | message.length, 0);
  return message;
}
