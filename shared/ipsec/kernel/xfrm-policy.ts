import { encodeAttribute, findAttribute, flagAck, flagDump, type NetlinkRequest } from './netlink-message.ts';
import type { GuardPolicy } from './xfrm-link.ts';
import {
  decodeSelector,
  encodeLifetime,
  encodeSelector,
  familyOf,
  modeTransport,
  protocolEsp,
  type Selector,
  selectorBytes,
} from './xfrm-structures.ts';

/*
 * Messages about policies (linux/xfrm.h). A guard lets nothing pass between a local port and anybody that is not under
 * an ESP association with its tag; it names no peer, so there is one for all phones.
 */

export const typeNewPolicy = 0x13;
const typeDeletePolicy = 0x14;
const typeGetPolicy = 0x15;
const typeUpdatePolicy = 0x19;
const attributeTemplate = 5;

const infoBytes = 168;
const directionAt = 160;
const templateBytes = 64;
const templateTagAt = 44;
const anyAlgorithm = 0xffffffff;

/**
 * Sets a guard; one that is there is replaced in one step, without a gap.
 * Source: TS 33.203 7.1; requirement P-35.
 */
export function setGuard(policy: GuardPolicy): NetlinkRequest {
  const bytes = Buffer.alloc(infoBytes);
  encodeSelector(guardSelector(policy)).copy(bytes, 0);
  encodeLifetime(0).copy(bytes, selectorBytes);
  bytes[directionAt] = directionNumber(policy);
  return {
    type: typeUpdatePolicy,
    flags: flagAck,
    body: Buffer.concat([bytes, encodeAttribute(attributeTemplate, template(policy))]),
  };
}

/** Deletes a guard. */
export function deleteGuard(policy: GuardPolicy): NetlinkRequest {
  const bytes = Buffer.alloc(64);
  encodeSelector(guardSelector(policy)).copy(bytes, 0);
  bytes[60] = directionNumber(policy);
  return { type: typeDeletePolicy, flags: flagAck, body: bytes };
}

/** Asks for all policies. */
export function listPolicies(): NetlinkRequest {
  return { type: typeGetPolicy, flags: flagDump, body: Buffer.alloc(0) };
}

/** Reads a policy; null when it is not of the kind that `setGuard` makes. */
export function decodeGuard(payload: Buffer): GuardPolicy | null {
  if (payload.length < infoBytes) return null;
  const wanted = findAttribute(payload.subarray(infoBytes), attributeTemplate);
  const direction = payload[directionAt];
  if (wanted?.length !== templateBytes || wanted[20] !== protocolEsp || direction === undefined || direction > 1) {
    return null;
  }
  const { source, sourcePort, destination, destinationPort, protocol } = decodeSelector(payload);
  const local =
    direction === 0 ? { address: destination, port: destinationPort } : { address: source, port: sourcePort };
  const peerPort = direction === 0 ? sourcePort : destinationPort;
  if (local.port === 0 || peerPort !== 0) return null;
  return { direction: direction === 0 ? 'in' : 'out', local, protocol, tag: wanted.readUInt32LE(templateTagAt) };
}

function guardSelector({ direction, local, protocol }: GuardPolicy): Selector {
  const anybody = familyOf(local.address) === 2 ? '0.0.0.0' : '::';
  const inward = direction === 'in';
  return {
    source: inward ? anybody : local.address,
    sourcePort: inward ? 0 : local.port,
    destination: inward ? local.address : anybody,
    destinationPort: inward ? local.port : 0,
    protocol,
    user: 0,
  };
}

function directionNumber(policy: GuardPolicy): number {
  return policy.direction === 'in' ? 0 : 1;
}

/** struct xfrm_user_tmpl: ESP in transport mode, required, with this tag, whatever the addresses and algorithms. */
function template({ local, tag }: GuardPolicy): Buffer {
  const bytes = Buffer.alloc(templateBytes);
  bytes[20] = protocolEsp;
  bytes.writeUInt16LE(familyOf(local.address), 24);
  bytes.writeUInt32LE(tag, templateTagAt);
  bytes[48] = modeTransport;
  for (const at of [52, 56, 60]) bytes.writeUInt32LE(anyAlgorithm, at);
  return bytes;
}
