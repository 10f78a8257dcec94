import {
  encodeAttribute,
  findAttribute,
  flagAck,
  flagCreate,
  flagDump,
  flagExclusive,
  type NetlinkRequest,
} from './netlink-message.ts';
import { type KeyedAlgorithm, kernelAlgorithms, noAlgorithms } from './xfrm-algorithms.ts';
import { type AssociationName, type KernelAssociation, userOf, type XfrmChange } from './xfrm-link.ts';
import {
  decodeSelector,
  encodeAddress,
  encodeLifetime,
  encodeSelector,
  familyOf,
  modeTransport,
  protocolEsp,
  type Selector,
  selectorBytes,
} from './xfrm-structures.ts';

/*
 * Messages about security associations (linux/xfrm.h): struct xfrm_usersa_info is selector, identity, source, limits,
 * current values, statistics, and what follows at these offsets.
 */

export const typeNewAssociation = 0x10;
const typeDeleteAssociation = 0x11;
const typeGetAssociation = 0x12;
const typeUpdateAssociation = 0x1a;
const typeGetCount = 0x23;

/** Among the attributes of a count. */
const attributeCount = 1;
const attributeCipher = 2;
const attributeSource = 13;
const attributeCombined = 18;
const attributeIntegrity = 20;
const attributeReplay = 23;

const infoBytes = 224;
const identityAt = selectorBytes;
const sourceAt = 80;
const lifetimeAt = 96;
const addTimeAt = 176;
const tagAt = 208;
const familyAt = 212;
const modeAt = 214;

/**
 * Adds an association: transport mode, exact selector for any protocol, bitmap of `window` packets against replay.
 * Throws IpsecError as `kernelAlgorithms` does. Source: TS 33.203 7.1; requirement P-35.
 */
export function addAssociation(change: XfrmChange & { readonly kind: 'add' }): NetlinkRequest {
  const { association, tag, window } = change;
  const { source, destination } = association;
  const selector: Selector = {
    source: source.address,
    sourcePort: source.port,
    destination: destination.address,
    destinationPort: destination.port,
    protocol: 0,
    user: userOf(association.direction, tag),
  };
  const name = { source: source.address, destination: destination.address, spi: association.spi };
  const head = associationInfo(name, selector, association.lifetimeSeconds, tag);
  const attributes = kernelAlgorithms(association).map(algorithmAttribute);
  const replay = encodeAttribute(attributeReplay, replayState(window, association.firstSequence));
  return {
    type: typeNewAssociation,
    flags: flagAck | flagCreate | flagExclusive,
    body: wiped([head, ...attributes, replay]),
  };
}

/**
 * Sets the hard limit of an association, in seconds since it was added: the kernel keeps that time, the keys and the
 * counters, and takes only the limits of what is sent. Hence no keys are needed here.
 */
export function extendAssociation(name: AssociationName, hardSeconds: number): NetlinkRequest {
  const anybody = familyOf(name.destination) === 2 ? '0.0.0.0' : '::';
  const ends = { source: anybody, sourcePort: 0, destination: anybody, destinationPort: 0 };
  const head = associationInfo(name, { ...ends, protocol: 0, user: 0 }, hardSeconds, 0);
  return {
    type: typeUpdateAssociation,
    flags: flagAck,
    body: Buffer.concat([head, ...noAlgorithms.map(algorithmAttribute)]),
  };
}

/** Deletes an association. */
export function deleteAssociation(name: AssociationName): NetlinkRequest {
  return { type: typeDeleteAssociation, flags: flagAck, body: associationName(name) };
}

/** Asks for one association; the answer is data, then an acknowledgement. */
export function getAssociation(name: AssociationName): NetlinkRequest {
  return { type: typeGetAssociation, flags: flagAck, body: associationName(name) };
}

/** Asks for all associations. */
export function listAssociations(): NetlinkRequest {
  return { type: typeGetAssociation, flags: flagDump, body: Buffer.alloc(0) };
}

/** Asks how many there are, without walking through them. */
export function countAssociations(): NetlinkRequest {
  return { type: typeGetCount, flags: flagAck, body: Buffer.alloc(4) };
}

/** Reads the answer to that. */
export function decodeCount(payload: Buffer): number {
  const count = findAttribute(payload.subarray(4), attributeCount);
  return count === null || count.length < 4 ? 0 : count.readUInt32LE(0);
}

/** Reads what the kernel tells of an association; null when it is none of ESP with an SPI. The keys in it are not read. */
export function decodeAssociation(payload: Buffer): KernelAssociation | null {
  if (payload.length < infoBytes) return null;
  const spi = payload.readUInt32BE(identityAt + 16);
  if (payload[identityAt + 20] !== protocolEsp || spi === 0) return null;
  const selector = decodeSelector(payload);
  return {
    source: { address: selector.source, port: selector.sourcePort },
    destination: { address: selector.destination, port: selector.destinationPort },
    spi,
    tag: payload.readUInt32LE(tagAt),
    user: selector.user,
    addedAtSeconds: Number(payload.readBigUInt64LE(addTimeAt)),
    hardSeconds: Number(payload.readBigUInt64LE(lifetimeAt + 40)),
  };
}

/** struct xfrm_usersa_info. */
function associationInfo(name: AssociationName, selector: Selector, hardSeconds: number, tag: number): Buffer {
  const bytes = Buffer.alloc(infoBytes);
  encodeSelector(selector).copy(bytes, 0);
  encodeAddress(name.destination).copy(bytes, identityAt);
  bytes.writeUInt32BE(name.spi, identityAt + 16);
  bytes[identityAt + 20] = protocolEsp;
  encodeAddress(name.source).copy(bytes, sourceAt);
  encodeLifetime(hardSeconds).copy(bytes, lifetimeAt);
  bytes.writeUInt32LE(tag, tagAt);
  bytes.writeUInt16LE(familyOf(name.destination), familyAt);
  bytes[modeAt] = modeTransport;
  return bytes;
}

/** struct xfrm_usersa_id and the source. */
function associationName(name: AssociationName): Buffer {
  const bytes = Buffer.alloc(24);
  encodeAddress(name.destination).copy(bytes, 0);
  bytes.writeUInt32BE(name.spi, 16);
  bytes.writeUInt16LE(familyOf(name.destination), 20);
  bytes[22] = protocolEsp;
  return Buffer.concat([bytes, encodeAttribute(attributeSource, encodeAddress(name.source))]);
}

/** struct xfrm_algo, xfrm_algo_auth or xfrm_algo_aead: name, length of the key and of the check value, key. */
function algorithmAttribute(algorithm: KeyedAlgorithm): Buffer {
  const head = algorithm.kind === 'cipher' ? 68 : 72;
  const bytes = Buffer.alloc(head + algorithm.key.length);
  bytes.write(algorithm.name, 0, 'latin1');
  bytes.writeUInt32LE(algorithm.key.length * 8, 64);
  if (algorithm.kind !== 'cipher') bytes.writeUInt32LE(algorithm.bits, 68);
  algorithm.key.copy(bytes, head);
  const attribute = encodeAttribute(attributeOf(algorithm.kind), bytes);
  bytes.fill(0);
  return attribute;
}

function attributeOf(kind: KeyedAlgorithm['kind']): number {
  switch (kind) {
    case 'integrity':
      return attributeIntegrity;
    case 'cipher':
      return attributeCipher;
    case 'combined':
      return attributeCombined;
  }
}

/** struct xfrm_replay_state_esn with an empty bitmap; used without extended sequence numbers, for its width. */
function replayState(window: number, sequence: number): Buffer {
  const words = Math.ceil(window / 32);
  const bytes = Buffer.alloc(24 + words * 4);
  bytes.writeUInt32LE(words, 0);
  bytes.writeUInt32LE(sequence, 4);
  bytes.writeUInt32LE(window, 20);
  return bytes;
}

/** Joins the parts and clears them: they hold keys. */
function wiped(parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return bytes;
}
