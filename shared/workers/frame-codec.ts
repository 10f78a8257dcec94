import { readLatin1, writeLatin1 } from '#sip/parser/latin1';
import type { Flow, Target, TransportName } from '#sip/transport/flow';
import type { DiameterRoute, SendFailure } from './frame-link.ts';
import type { FrameQueue } from './frame-queue.ts';

/** What a frame is, toward a worker or from it. */
export const frameKind = Object.freeze({
  sip: 1,
  sendFailed: 2,
  connectionClosed: 3,
  diameter: 4,
  diameterFailed: 5,
  workerMessage: 6,
  sendSip: 7,
  closeConnection: 8,
  diameterRequest: 9,
  diameterAnswer: 10,
  holdConnection: 11,
  unreachable: 12,
  peerRestarted: 13,
  associationOrder: 14,
  associationAnswer: 15,
});

/** Bucket field of a SIP frame whose Call-ID was not found. */
export const noBucket = -1;

const transports: readonly TransportName[] = ['udp', 'tcp', 'tls'];
const failures: readonly SendFailure[] = ['refused', 'timeout', 'closed', 'unreachable', 'too-large'];
const reasons = ['no-peer', 'peer-lost'] as const;
const bucketFlag = 0x80;
const domainFlag = 0x40;
const tokenBytes = 8;

/** A SIP message toward a worker. `bucket`: the one that counts this frame, or `noBucket`. */
export function encodeSip(queue: FrameQueue, text: string, flow: Flow, bucket: number): boolean {
  const { address, transport } = flow;
  const x = transports.indexOf(transport) | (bucket >= 0 ? bucketFlag : 0);
  const a = (flow.listener << 16) | (bucket & 0xffff);
  const at = queue.begin(frameKind.sip, x, flow.port, a, flow.connection, 1 + address.length + text.length);
  if (at < 0) return false;
  writeAddress(queue.bytes, at, address);
  writeLatin1(queue.bytes, text, at + 1 + address.length);
  return true;
}

export interface SipFrame {
  readonly text: string;
  readonly flow: Flow;
  readonly bucket: number;
}

/** The parts of a `sip` frame. */
export function decodeSip(
  x: number,
  port: number,
  a: number,
  connection: number,
  bytes: Buffer,
  start: number,
  length: number,
): SipFrame {
  const addressEnd = start + 1 + bytes[start]!;
  const transport = transports[x & 3]!;
  return {
    text: readLatin1(bytes, addressEnd, start + length),
    flow: { listener: a >>> 16, transport, address: readLatin1(bytes, start + 1, addressEnd), port, connection },
    bucket: x & bucketFlag ? a & 0xffff : noBucket,
  };
}

/** A SIP message from a worker. */
export function encodeSendSip(queue: FrameQueue, text: string, target: Target, token: number): boolean {
  const { address, transport } = target;
  if (transport === 'tls' && target.domain !== undefined) return encodeSendSecure(queue, text, target, token);
  const x = transports.indexOf(transport);
  const length = tokenBytes + 1 + address.length + text.length;
  const at = queue.begin(frameKind.sendSip, x, target.port, target.listener, target.connection, length);
  if (at < 0) return false;
  queue.bytes.writeDoubleLE(token, at);
  writeAddress(queue.bytes, at + tokenBytes, address);
  writeLatin1(queue.bytes, text, at + tokenBytes + 1 + address.length);
  return true;
}

/** The same with the domain whose certificate is asked for, between address and text. */
function encodeSendSecure(queue: FrameQueue, text: string, target: Target, token: number): boolean {
  const { address, transport } = target;
  const domain = (target.domain ?? address).slice(0, 255);
  const x = transports.indexOf(transport) | domainFlag;
  const head = tokenBytes + 1 + address.length + 1 + domain.length;
  const at = queue.begin(frameKind.sendSip, x, target.port, target.listener, target.connection, head + text.length);
  if (at < 0) return false;
  queue.bytes.writeDoubleLE(token, at);
  writeAddress(queue.bytes, at + tokenBytes, address);
  writeAddress(queue.bytes, at + tokenBytes + 1 + address.length, domain);
  writeLatin1(queue.bytes, text, at + head);
  return true;
}

/** The parts of a `sendSip` frame. */
export function decodeSendSip(
  x: number,
  port: number,
  listener: number,
  connection: number,
  bytes: Buffer,
  start: number,
  length: number,
): { text: string; target: Target; token: number } {
  const addressStart = start + tokenBytes + 1;
  const addressEnd = addressStart + bytes[addressStart - 1]!;
  const address = readLatin1(bytes, addressStart, addressEnd);
  const transport = transports[x & 3]!;
  const token = bytes.readDoubleLE(start);
  if (x & domainFlag) {
    const domainEnd = addressEnd + 1 + bytes[addressEnd]!;
    const domain = readLatin1(bytes, addressEnd + 1, domainEnd);
    const text = readLatin1(bytes, domainEnd, start + length);
    return { text, target: { listener, transport, address, port, connection, domain }, token };
  }
  return {
    text: readLatin1(bytes, addressEnd, start + length),
    target: { listener, transport, address, port, connection },
    token,
  };
}

function writeAddress(bytes: Buffer, at: number, address: string): void {
  bytes[at] = address.length;
  writeLatin1(bytes, address, at + 1);
}

export function encodeSendFailed(queue: FrameQueue, token: number, failure: SendFailure): void {
  const at = queue.begin(frameKind.sendFailed, failures.indexOf(failure), 0, 0, 0, tokenBytes);
  if (at >= 0) queue.bytes.writeDoubleLE(token, at);
}

/** An ICMP error for an address that a worker may have sent to by itself. */
export function encodeUnreachable(
  queue: FrameQueue,
  listener: number,
  address: string,
  port: number,
  failure: SendFailure,
): void {
  const at = queue.begin(frameKind.unreachable, failures.indexOf(failure), port, listener, 0, address.length);
  if (at >= 0) writeLatin1(queue.bytes, address, at);
}

export function decodeFailure(x: number): SendFailure {
  return failures[x]!;
}

export function decodeSendFailed(x: number, bytes: Buffer, start: number): { token: number; failure: SendFailure } {
  return { token: bytes.readDoubleLE(start), failure: failures[x]! };
}

/** A frame that is only a connection number: `connectionClosed`, `closeConnection`; with a yes or no `holdConnection`. */
export function encodeConnection(queue: FrameQueue, kind: number, connection: number, yes = false): void {
  queue.begin(kind, yes ? 1 : 0, 0, 0, connection, 0);
}

/** Whether the octets are a Diameter request, by the R flag. Source: RFC 6733 3. */
export function isDiameterRequest(bytes: Buffer, start: number, length: number): boolean {
  return length >= 20 && (bytes[start + 4]! & 0x80) !== 0;
}

/** A frame that is one Diameter message: `diameter`, `diameterAnswer`. */
export function encodeDiameter(queue: FrameQueue, kind: number, message: Buffer): boolean {
  const at = queue.begin(kind, 0, 0, 0, 0, message.length);
  if (at >= 0) message.copy(queue.bytes, at);
  return at >= 0;
}

/** A copy of a frame's payload that may be kept. */
export function copyPayload(bytes: Buffer, start: number, length: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(length);
  bytes.copy(copy, 0, start, start + length);
  return copy;
}

export function encodeDiameterRequest(queue: FrameQueue, message: Buffer, route: DiameterRoute): boolean {
  const { application, realm, host } = route;
  const names = realm.length + host.length;
  const at = queue.begin(frameKind.diameterRequest, host.length, realm.length, application, 0, names + message.length);
  if (at < 0) return false;
  writeLatin1(queue.bytes, realm, at);
  writeLatin1(queue.bytes, host, at + realm.length);
  message.copy(queue.bytes, at + names);
  return true;
}

export function decodeDiameterRequest(
  hostLength: number,
  realmLength: number,
  application: number,
  bytes: Buffer,
  start: number,
  length: number,
): { message: Buffer; route: DiameterRoute } {
  const hostStart = start + realmLength;
  const messageStart = hostStart + hostLength;
  const realm = readLatin1(bytes, start, hostStart);
  const host = readLatin1(bytes, hostStart, messageStart);
  return {
    message: copyPayload(bytes, messageStart, start + length - messageStart),
    route: { application, realm, host },
  };
}

export function encodeDiameterFailed(queue: FrameQueue, hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
  queue.begin(frameKind.diameterFailed, reasons.indexOf(reason), 0, hopByHop, 0, 0);
}

export function decodeDiameterReason(x: number): 'no-peer' | 'peer-lost' {
  return reasons[x]!;
}

/** A message between workers: any text. */
export function encodeWorkerMessage(queue: FrameQueue, from: number, kind: number, payload: string): boolean {
  const at = queue.begin(frameKind.workerMessage, 0, 0, kind, from, Buffer.byteLength(payload));
  if (at >= 0) queue.bytes.write(payload, at);
  return at >= 0;
}

/** What a worker wants of the IPsec back end, and the answer to it: text of association-orders, with the number of the order. */
export function encodeAssociations(queue: FrameQueue, kind: number, id: number, text: string): boolean {
  const at = queue.begin(kind, 0, 0, id, 0, Buffer.byteLength(text));
  if (at >= 0) queue.bytes.write(text, at);
  return at >= 0;
}

export function encodePeerRestarted(queue: FrameQueue, host: string): boolean {
  const at = queue.begin(frameKind.peerRestarted, 0, 0, 0, 0, host.length);
  if (at >= 0) writeLatin1(queue.bytes, host, at);
  return at >= 0;
}

export function decodeWorkerPayload(bytes: Buffer, start: number, length: number): string {
  return bytes.toString('utf8', start, start + length);
}
