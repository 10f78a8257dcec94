/**
 * Octets of Diameter messages as other people's HSSs write them, made without our encoder: order, flags, lengths and
 * mistakes are theirs.
 */

const VENDOR_3GPP = 10415;
export const CX = 16777216;
export const SH = 16777217;

/** One AVP with a header of its own making; `data` text or octets. */
export function octetsOf(code: number, flags: number, data: Buffer | string | number, vendor = 0): Buffer {
  const body = typeof data === 'number' ? u32(data) : typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  const header = Buffer.alloc(flags & 0x80 ? 12 : 8);
  header.writeUInt32BE(code, 0);
  header.writeUInt32BE(header.length + body.length, 4);
  header[4] = flags;
  if (flags & 0x80) header.writeUInt32BE(vendor, 8);
  return Buffer.concat([header, body, Buffer.alloc(-body.length & 3)]);
}

/** An AVP of 3GPP with M and V, as labs send all of them. */
export function tgpp(code: number, data: Buffer | string | number): Buffer {
  return octetsOf(code, 0xc0, data, VENDOR_3GPP);
}

export function message(flags: number, command: number, application: number, ids: Buffer, avps: Buffer[]): Buffer {
  const body = Buffer.concat(avps);
  const header = Buffer.alloc(12);
  header.writeUInt32BE(0x01000000 + 20 + body.length, 0);
  header.writeUInt32BE(command, 4);
  header[4] = flags;
  header.writeUInt32BE(application, 8);
  return Buffer.concat([header, ids, body]);
}

/** Session-Id of a request, as an AVP, and its two identifiers. */
export function echo(request: Buffer): { readonly session: Buffer; readonly ids: Buffer } {
  const length = request.readUIntBE(25, 3);
  return { session: request.subarray(20, 20 + ((length + 3) & ~3)), ids: request.subarray(12, 20) };
}

/** The first AVP of a request with this code, its data; '' when it has none. */
export function find(request: Buffer, wanted: number): string {
  for (let at = 20; at < request.length; ) {
    const length = request.readUIntBE(at + 5, 3);
    const start = at + (request[at + 4]! & 0x80 ? 12 : 8);
    if (request.readUInt32BE(at) === wanted) return request.toString('latin1', start, at + length);
    at += (length + 3) & ~3;
  }
  return '';
}

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

const cxApplicationId = Buffer.from('0000010a4000000c000028af000001024000000c01000000', 'hex');

/** What PyHSS puts in front of every answer of Cx: origin before application, its own names in capitals or not. */
function pyhssHead(request: Buffer): Buffer[] {
  return [
    echo(request).session,
    octetsOf(264, 0x40, 'hss01'),
    octetsOf(296, 0x40, 'epc.mnc001.mcc001.3gppnetwork.org'),
    octetsOf(277, 0x40, 1),
    octetsOf(260, 0x40, cxApplicationId),
  ];
}

const experimental = (code: number) =>
  octetsOf(297, 0x40, Buffer.concat([octetsOf(266, 0x40, VENDOR_3GPP), octetsOf(298, 0x40, code)]));
const command = (request: Buffer) => request.readUIntBE(5, 3);

/** PyHSS refuses: the code is experimental, the application that of Sh. */
export function pyhssRefusal(request: Buffer, code: number): Buffer {
  return message(0x40, command(request), SH, echo(request).ids, [...pyhssHead(request), experimental(code)]);
}

/** UAA of PyHSS: Server-Name stands before the result; 2001 when none is stored, base 2001 for a de-registration. */
export function pyhssUaa(request: Buffer, serverName: string, result: 2001 | 2002 | 'success'): Buffer {
  const outcome = result === 'success' ? octetsOf(268, 0x40, 2001) : experimental(result);
  return message(0x40, 300, CX, echo(request).ids, [...pyhssHead(request), tgpp(602, serverName), outcome]);
}

/** LIA of PyHSS: always 2001 with a name. */
export function pyhssLia(request: Buffer, serverName: string): Buffer {
  const avps = [...pyhssHead(request), tgpp(602, serverName), octetsOf(268, 0x40, 2001)];
  return message(0x40, 302, CX, echo(request).ids, avps);
}

/** MAA of PyHSS: item number 0, the number of items behind the items, and (of releases before) two results. */
export function pyhssMaa(
  request: Buffer,
  vector: { [name in 'rand' | 'autn' | 'xres' | 'ck' | 'ik']: Buffer },
): Buffer {
  const item = Buffer.concat([
    tgpp(613, 0),
    tgpp(608, 'Digest-AKAv1-MD5'),
    tgpp(609, Buffer.concat([vector.rand, vector.autn])),
    tgpp(610, vector.xres),
    tgpp(625, vector.ck),
    tgpp(626, vector.ik),
  ]);
  return message(0x40, 303, CX, echo(request).ids, [
    echo(request).session,
    octetsOf(260, 0x40, cxApplicationId),
    octetsOf(277, 0x40, 1),
    octetsOf(264, 0x40, 'hss01'),
    octetsOf(296, 0x40, 'epc.mnc001.mcc001.3gppnetwork.org'),
    tgpp(601, find(request, 601)),
    octetsOf(1, 0x40, find(request, 1)),
    tgpp(612, item),
    tgpp(607, 1),
    experimental(2001),
    octetsOf(268, 0x40, 2001),
  ]);
}

/** SAA of PyHSS: profile whatever was asked, a charging address of octets, the result last. */
export function pyhssSaa(request: Buffer, userData: string): Buffer {
  return message(0x40, 301, CX, echo(request).ids, [
    ...pyhssHead(request),
    octetsOf(1, 0x40, find(request, 1)),
    tgpp(606, userData),
    tgpp(618, tgpp(621, 'pri_ccf_address')),
    octetsOf(268, 0x40, 2001),
  ]);
}

/** RTR of PyHSS: Vendor-Specific-Application-Id the other way round, Server-Name its product, Proxy-Info, Route-Record. */
export function pyhssRtr(impi: string, destination: { readonly host: string; readonly realm: string }): Buffer {
  return message(0xc0, 304, CX, Buffer.from('0badcafe0badf00d', 'hex'), [
    octetsOf(263, 0x40, 'hss01;a1b2c;1;app_cx'),
    octetsOf(260, 0x40, Buffer.from('000001024000000c010000000000010a4000000c000028af', 'hex')),
    octetsOf(264, 0x40, 'hss01'),
    octetsOf(296, 0x40, 'epc.mnc001.mcc001.3gppnetwork.org'),
    tgpp(615, Buffer.concat([tgpp(616, 0), tgpp(617, 'Test Reason')])),
    octetsOf(283, 0x40, destination.realm),
    octetsOf(293, 0x40, destination.host),
    octetsOf(277, 0x40, 1),
    octetsOf(1, 0x40, impi),
    tgpp(601, `sip:${impi}`),
    tgpp(602, 'PyHSS'),
    octetsOf(284, 0x40, Buffer.concat([octetsOf(280, 0x40, 'localdomain'), octetsOf(33, 0x40, Buffer.from([0, 1]))])),
    octetsOf(282, 0x40, 'localdomain'),
  ]);
}

/** What Open5GS puts in front of every answer of Cx: freeDiameter's order, application before the rest. */
function open5gsHead(request: Buffer, result: Buffer): Buffer[] {
  return [
    echo(request).session,
    octetsOf(260, 0x40, Buffer.concat([octetsOf(258, 0x40, CX), octetsOf(266, 0x40, VENDOR_3GPP)])),
    octetsOf(264, 0x40, 'hss.open5gs.org'),
    octetsOf(296, 0x40, 'open5gs.org'),
    result,
    octetsOf(277, 0x40, 1),
  ];
}

/** Open5GS tells each error of its own by Experimental-Result, a missing AVP by 5004, an invalid one by 5005. */
export function open5gsExperimental(request: Buffer, code: number, more: Buffer[] = []): Buffer {
  const avps = [...open5gsHead(request, experimental(code)), ...more];
  return message(0x40, command(request), CX, echo(request).ids, avps);
}

/** SAA of Open5GS: the profile only for types 1 and 2 without data available, a bare word as charging address. */
export function open5gsSaa(request: Buffer, userData: string): Buffer {
  const type = Buffer.from(find(request, 614), 'latin1').readUInt32BE();
  const wanted = (type === 1 || type === 2) && find(request, 624) === '\0\0\0\0';
  return message(0x40, 301, CX, echo(request).ids, [
    ...open5gsHead(request, octetsOf(268, 0x40, 2001)),
    octetsOf(1, 0x40, find(request, 1)),
    ...(wanted ? [tgpp(606, userData), tgpp(618, tgpp(621, 'pcrf'))] : []),
  ]);
}
