import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { quote } from '#sip/header/token';
import { openRecord, RecordReader, RecordWriter } from '#store/records';

/** One public identity of an implicit registration set. */
export interface RegisteredIdentity {
  /** As a key: scheme:user@host or tel:number, nothing else; of a wildcard its text. */
  readonly impu: string;
  /** As the HSS wrote it. */
  readonly uri: string;
  readonly barred: boolean;
  /** Stands for many identities: may be announced, but is nobody's name. */
  readonly wildcard: boolean;
  /** Identities with the same number are aliases of one another. */
  readonly alias: number;
  /** '' when there is none. */
  readonly displayName: string;
}

/** One contact bound to the identities of a registration. */
export interface Binding {
  readonly impi: string;
  /** Contact value as received, every parameter in it. Requirement S-35. */
  readonly contact: string;
  readonly uri: string;
  /** Thousandths; 1000 when the contact has none. */
  readonly q: number;
  /** '' when there is none. */
  readonly instance: string;
  /** 0 when RFC 5626 is not used. */
  readonly regId: number;
  /** Path values in order, comma-joined; '' when there was none. Requirement S-31. */
  readonly path: string;
  readonly callId: string;
  readonly cseq: number;
  readonly expiresAtMs: number;
  readonly history: BindingHistory;
  readonly proof: BindingProof;
}

/** When the user of a contact last showed who it is. Requirement S-04. */
export interface BindingProof {
  /** Milliseconds since 1970; 0 when that was not noted. */
  readonly atMs: number;
  /** REGISTERs since then that were taken without. */
  readonly unproven: number;
}

/** What watchers of a registration are told of a binding. Source: RFC 3680 3.2; requirements S-63, S-64. */
export interface BindingHistory {
  /** The same for as long as the contact is bound. */
  readonly id: number;
  /** When it was bound, milliseconds since 1970; 0 when that was not noted. */
  readonly sinceMs: number;
  /** CSeq of its first REGISTER with this Call-ID. */
  readonly firstCseq: number;
  /** What happened to it last. */
  readonly event: BindingEvent;
  /** The identity that it was bound to by name, '' when that was not noted. */
  readonly impu: string;
}

export type BindingEvent = (typeof bindingEvents)[number];
/** Their places are those of records. */
const bindingEvents = ['registered', 'refreshed', 'shortened'] as const;

/** What one binding consists of before its Contact value is read. */
export type BindingSource = Pick<Binding, 'impi' | 'contact' | 'path' | 'callId' | 'cseq' | 'expiresAtMs'> & {
  /** Left out: those of a binding of which nothing was noted. */
  readonly history?: BindingHistory;
  readonly proof?: BindingProof;
};

/** Addresses for P-Charging-Function-Addresses, '' where the HSS gave none. */
export interface ChargingAddresses {
  readonly ccf: string;
  readonly ecf: string;
}

/** What is known of one implicit registration set while somebody is registered with it. Read only: it is shared. */
export interface Registration {
  /** One of its identities, the same for as long as the registration lives. */
  readonly key: string;
  /** The first that is not barred is the default one. */
  readonly identities: readonly RegisteredIdentity[];
  readonly charging: ChargingAddresses;
  readonly bindings: readonly Binding[];
}

const RECORD_TYPE = 1;
const RECORD_VERSION = 3;
const BARRED = 1;
const WILDCARD = 2;

const notProven: BindingProof = Object.freeze({ atMs: 0, unproven: 0 });

/** Makes a binding of a Contact value that was parsed before; null when it cannot be read after all. */
export function makeBinding(source: BindingSource): Binding | null {
  const contact = parseContact(source.contact);
  if (contact instanceof ParseFailure) return null;
  const { uri, q, instance, regId } = contact;
  const history = source.history ?? newHistory(source, '', 0);
  const proof = source.proof ?? notProven;
  return { ...source, uri, q: q < 0 ? 1000 : q, instance, regId: instance === '' ? 0 : regId, history, proof };
}

/** The history of a binding that was made just now by a REGISTER for `impu`. */
export function newHistory(source: BindingSource, impu: string, nowMs: number): BindingHistory {
  const { impi, contact, callId, cseq } = source;
  const id = idOf(`${cseq} ${impi} ${callId} ${contact}`);
  return { id, sinceMs: nowMs, firstCseq: cseq, event: 'registered', impu };
}

/** 48 bits of a text, quickly made: a user who finds two alike confuses his own watchers only. */
function idOf(text: string): number {
  let high = 0x811c9dc5;
  let low = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995);
  }
  return (high >>> 0) * 0x10000 + ((low ^ (low >>> 16)) & 0xffff);
}

/** What of the contacts of `before` is not bound in `after` any more. */
export function endedBindings(before: Registration | null, after: Registration | null): readonly Binding[] {
  if (before === null || before.bindings === after?.bindings) return [];
  return before.bindings.filter(({ history }) => !after?.bindings.some((left) => left.history.id === history.id));
}

/** The identity of a registration with this name, null when it is not of the set. */
export function identityOf(registration: Registration, impu: string): RegisteredIdentity | null {
  for (const identity of registration.identities) if (identity.impu === impu) return identity;
  return null;
}

/** Whether a contact of this private identity is bound. */
export function hasBindingOf(registration: Registration, impi: string): boolean {
  return registration.bindings.some((binding) => binding.impi === impi);
}

/**
 * Value of P-Associated-URI: the default identity first, then the others, none that is barred.
 * Source: TS 24.229 5.4.1.2.2F; requirements S-25, S-27, S-36.
 */
export function associatedUris(registration: Registration): string {
  let value = '';
  for (const identity of registration.identities) {
    if (identity.barred) continue;
    if (value !== '') value += ', ';
    if (identity.displayName !== '') value += `${quote(identity.displayName)} `;
    value += `<${identity.uri}>`;
  }
  return value;
}

/** The record of a registration; its key is the store's. */
export function encodeRegistration(registration: Registration): Buffer {
  const { identities, charging, bindings } = registration;
  return new RecordWriter(RECORD_TYPE, RECORD_VERSION)
    .list(identities, writeIdentity)
    .string(charging.ccf)
    .string(charging.ecf)
    .list(bindings, writeBinding)
    .list(bindings, writeHistory)
    .list(bindings, writeProof)
    .finish();
}

/** Reads a record; null when it is none of ours (another type, a newer release, damage). */
export function decodeRegistration(octets: Buffer, key: string): Registration | null {
  const reader = openRecord(octets, RECORD_TYPE, RECORD_VERSION);
  if (!(reader instanceof RecordReader)) return null;
  const identities = reader.list(readIdentity);
  const charging = { ccf: reader.string(), ecf: reader.string() };
  const sources = reader.list(readBinding);
  // Records of version 1 have none.
  const histories = reader.list(readHistory);
  // Records of version 2 neither.
  const proofs = reader.list(readProof);
  if (reader.damaged) return null;
  const bindings: Binding[] = [];
  for (const [i, source] of sources.entries()) {
    const history = histories[i];
    const proof = proofs[i] ?? notProven;
    const binding = makeBinding(history === undefined ? source : { ...source, history, proof });
    if (binding !== null) bindings.push(binding);
  }
  return { key, identities, charging, bindings };
}

/** Writes one identity into a record. */
export function writeIdentity(writer: RecordWriter, identity: RegisteredIdentity): void {
  writer
    .string(identity.impu)
    .string(identity.uri === identity.impu ? '' : identity.uri)
    .number((identity.barred ? BARRED : 0) | (identity.wildcard ? WILDCARD : 0))
    .number(identity.alias)
    .string(identity.displayName);
}

/** Reads what `writeIdentity` wrote. */
export function readIdentity(reader: RecordReader): RegisteredIdentity {
  const impu = reader.string();
  const uri = reader.string();
  const flags = reader.number();
  return {
    impu,
    uri: uri === '' ? impu : uri,
    barred: (flags & BARRED) !== 0,
    wildcard: (flags & WILDCARD) !== 0,
    alias: reader.number(),
    displayName: reader.string(),
  };
}

/** Writes one binding into a record, but for its history. */
export function writeBinding(writer: RecordWriter, binding: Binding): void {
  writer
    .string(binding.impi)
    .string(binding.contact)
    .string(binding.path)
    .string(binding.callId)
    .number(binding.cseq)
    .number(binding.expiresAtMs);
}

/** Reads what `writeBinding` wrote. */
export function readBinding(reader: RecordReader): BindingSource {
  return {
    impi: reader.string(),
    contact: reader.string(),
    path: reader.string(),
    callId: reader.string(),
    cseq: reader.number(),
    expiresAtMs: reader.number(),
  };
}

function writeProof(writer: RecordWriter, { proof }: Binding): void {
  writer.number(proof.atMs).number(proof.unproven);
}

function readProof(reader: RecordReader): BindingProof {
  return { atMs: reader.number(), unproven: reader.number() };
}

/** Writes the history of one binding into a record. */
export function writeHistory(writer: RecordWriter, { history }: Binding): void {
  writer
    .number(history.id)
    .number(history.sinceMs)
    .number(history.firstCseq)
    .number(bindingEvents.indexOf(history.event))
    .string(history.impu);
}

/** Reads what `writeHistory` wrote. */
export function readHistory(reader: RecordReader): BindingHistory {
  return {
    id: reader.number(),
    sinceMs: reader.number(),
    firstCseq: reader.number(),
    event: bindingEvents[reader.number()] ?? 'registered',
    impu: reader.string(),
  };
}
