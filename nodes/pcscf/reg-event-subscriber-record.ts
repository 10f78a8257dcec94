import { hash } from 'node:crypto';
import { regInfoType } from '#ims/reginfo';
import type { Dialog } from '#sip/dialog/dialog';
import type { SubscriberPhase, SubscriberState, SubscriptionTarget } from '#sip/event/subscriber-state';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Binding } from './binding.ts';

/** Subscriptions to registrations by their key. */
export const regEventTable = 'reg-subscriptions';

/** What tells the keys from tokens of bindings, which stand in the same place of our URIs. */
const keyPrefix = 'reg-';

/** The subscription of this node to one registration set of one private identity. */
export interface RegWatch {
  /** User part of its Contact, and its key in the store. */
  readonly key: string;
  readonly impi: string;
  /** The default identity, as the home network wrote it. */
  readonly impu: string;
  /** Host of the home network, with a port if it has one. */
  readonly home: string;
  /** Of the last document of the present dialog, -1 before the first. */
  version: number;
  readonly state: SubscriberState;
}

/** What a target is made of besides the watch. */
export interface TargetFrame {
  /** Our entry of Path with a user part: `<sip:USER@host:port;lr>`. */
  toCore(user: string): string;
  readonly homeDomain: string;
  /** Seconds. */
  readonly expires: number;
}

/** One subscription serves all bindings of one private identity with the same default identity. Requirement P-60. */
export function regEventKey({ impi, identities }: Pick<Binding, 'impi' | 'identities'>): string {
  const name = hash('sha256', `${impi}\n${identities[0]!.key}`, 'base64url');
  return keyPrefix + name.slice(0, 18);
}

/** The key in the user part of a Request-URI, '' when it is none. */
export function regEventKeyOf(user: string): string {
  return user.startsWith(keyPrefix) && user.length === keyPrefix.length + 18 ? user : '';
}

/**
 * What is subscribed to: the default identity, by way of its home network, in the name that stands in the Path: by that the
 * S-CSCF knows who may. Source: TS 24.229 5.2.3; requirement P-60.
 */
export function regEventTarget(
  { key, impu, home }: Pick<RegWatch, 'key' | 'impu' | 'home'>,
  { toCore, homeDomain, expires }: TargetFrame,
): SubscriptionTarget {
  const contact = toCore(key).replace(';lr>', '>');
  const self = contact.replace(`${key}@`, '');
  const leadsHome = /^sips?:/i.test(impu) && impu.toLowerCase().endsWith(`@${home.toLowerCase()}`);
  return {
    requestUri: impu,
    from: self,
    to: `<${impu}>`,
    contact,
    routes: leadsHome ? [] : [`<sip:${home === '' ? homeDomain : home};lr>`],
    event: 'reg',
    accept: regInfoType,
    seconds: expires,
    headers: [['P-Asserted-Identity', self]],
  };
}

/** A subscription that has not begun. */
export function newWatch(binding: Binding, key: string, frame: TargetFrame): RegWatch {
  const { impi, identities, home } = binding;
  const facts = { key, impi, impu: identities[0]!.uri, home };
  const target = regEventTarget(facts, frame);
  return { ...facts, version: -1, state: { ...blank, target, seconds: target.seconds } };
}

const blank: Omit<SubscriberState, 'target' | 'seconds'> = {
  phase: 'waiting',
  callId: '',
  localTag: '',
  cseq: 0,
  dialog: null,
  expiresAtMs: 0,
  dueMs: 0,
  startedAtMs: 0,
  failures: 0,
};

const recordType = 0x57;
const recordVersion = 1;
const phases: readonly SubscriberPhase[] = [
  'waiting',
  'subscribing',
  'noticed',
  'accepted',
  'active',
  'refreshing',
  'leaving',
  'ended',
];

/** The record of a subscription. */
export function encodeWatch({ impi, impu, home, version, state }: RegWatch): Buffer {
  const writer = new RecordWriter(recordType, recordVersion)
    .string(impi)
    .string(impu)
    .string(home)
    .number(version + 1)
    .number(phases.indexOf(state.phase))
    .string(state.callId)
    .string(state.localTag)
    .number(state.cseq)
    .number(state.seconds)
    .number(Math.round(state.expiresAtMs))
    .number(Math.round(state.dueMs) + 1)
    .number(Math.round(state.startedAtMs))
    .number(state.failures)
    .flag(state.dialog !== null);
  if (state.dialog !== null) writeDialog(writer, state.dialog);
  return writer.finish();
}

/** Reads a record; null for one of another type, of a newer release, or damaged. */
export function decodeWatch(key: string, octets: Buffer, frame: TargetFrame): RegWatch | null {
  const reader = openRecord(octets, recordType, recordVersion);
  if (!(reader instanceof RecordReader)) return null;
  const facts = { key, impi: reader.string(), impu: reader.string(), home: reader.string() };
  const version = reader.number() - 1;
  // Fields are read in the order they were written, which is the order of this literal.
  const state: SubscriberState = {
    target: regEventTarget(facts, frame),
    phase: phases[reader.number()] ?? 'waiting',
    callId: reader.string(),
    localTag: reader.string(),
    cseq: reader.number(),
    seconds: reader.number(),
    expiresAtMs: reader.number(),
    dueMs: reader.number() - 1,
    startedAtMs: reader.number(),
    failures: reader.number(),
    dialog: reader.flag() ? readDialog(reader) : null,
  };
  return reader.damaged ? null : { ...facts, version, state };
}

function writeDialog(writer: RecordWriter, dialog: Dialog): void {
  writer
    .string(dialog.callId)
    .string(dialog.localTag)
    .string(dialog.remoteTag)
    .string(dialog.localAddress)
    .string(dialog.remoteAddress)
    .string(dialog.remoteTarget)
    .strings(dialog.routeSet)
    .number(dialog.localCseq)
    .number(dialog.remoteCseq + 1)
    .flag(dialog.secure);
}

function readDialog(reader: RecordReader): Dialog {
  return {
    callId: reader.string(),
    localTag: reader.string(),
    remoteTag: reader.string(),
    localAddress: reader.string(),
    remoteAddress: reader.string(),
    remoteTarget: reader.string(),
    routeSet: reader.strings(),
    localCseq: reader.number(),
    remoteCseq: reader.number() - 1,
    secure: reader.flag(),
    state: 'confirmed',
  };
}
