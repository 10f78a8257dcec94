import { impuOf } from '#ims/identity';
import type { Flow, TransportName } from '#sip/transport/flow';
import { openRecord, RecordReader, RecordWriter } from '#store/records';

/** A public identity of a registration. */
export interface Identity {
  /** The URI as the home network wrote it. */
  readonly uri: string;
  /** What identities are compared by; see impuOf. */
  readonly key: string;
}

/** A contact of a registration, as the home network granted it. */
export interface BoundContact {
  readonly uri: string;
  /** `+sip.instance`, '' when there is none. */
  readonly instance: string;
  /** 0 when there is none. */
  readonly regId: number;
  readonly pubGruu: string;
  readonly tempGruu: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}

/**
 * One registration of one UE by way of one flow: what requests from it and to it are handled by.
 * Source: TS 24.229 5.2.2.1; requirement P-50.
 */
export interface Binding {
  /** User part of our Path and Record-Route entries. */
  readonly token: string;
  readonly impi: string;
  /** Key of the identity that was registered. */
  readonly aor: string;
  /** The first one is the default. Never empty. */
  readonly identities: readonly Identity[];
  readonly contacts: readonly BoundContact[];
  /** Route values in order; empty when the home network gave none. */
  readonly serviceRoute: readonly string[];
  readonly flow: Flow;
  /** The set of security associations that it was made by last, '' without IPsec: then not the flow, but that leads to the UE. */
  readonly association: string;
  /** Whether the UE asked for outbound (RFC 5626): its flow is never replaced by a connection of ours. */
  readonly outbound: boolean;
  /** Host, with a port if it had one, of the Request-URI of the REGISTER. */
  readonly home: string;
  readonly callId: string;
  readonly icid: string;
  readonly termIoi: string;
  /** P-Charging-Function-Addresses as received, '' when there was none. */
  readonly chargingFunctions: string;
  /** When the home network last confirmed it, epoch milliseconds. */
  readonly boundAtMs: number;
  /** When its last contact runs out, epoch milliseconds. */
  readonly expiresAtMs: number;
}

const recordType = 0x50;
const recordVersion = 2;
const transports: readonly TransportName[] = ['udp', 'tcp', 'tls'];

/** The record of a binding. Throws RangeError for times that are no whole positive numbers. */
export function encodeBinding(binding: Binding): Buffer {
  const { flow } = binding;
  return new RecordWriter(recordType, recordVersion)
    .string(binding.token)
    .string(binding.impi)
    .string(binding.aor)
    .strings(binding.identities.map(({ uri }) => uri))
    .list(binding.contacts, (writer, contact) => {
      writer.string(contact.uri).string(contact.instance).number(contact.regId);
      writer.string(contact.pubGruu).string(contact.tempGruu).number(contact.expiresAtMs);
    })
    .strings(binding.serviceRoute)
    .number(flow.listener)
    .number(transports.indexOf(flow.transport))
    .string(flow.address)
    .number(flow.port)
    .number(flow.connection)
    .flag(binding.outbound)
    .string(binding.home)
    .string(binding.callId)
    .string(binding.icid)
    .string(binding.termIoi)
    .string(binding.chargingFunctions)
    .number(binding.boundAtMs)
    .number(binding.expiresAtMs)
    .string(binding.association)
    .finish();
}

/** Reads a record; null for one of another type, of a newer release, or damaged. */
export function decodeBinding(octets: Buffer): Binding | null {
  const reader = openRecord(octets, recordType, recordVersion);
  if (!(reader instanceof RecordReader)) return null;
  // Fields are read in the order they were written, which is the order of this literal; one of version 1 has no association.
  const binding: Binding = {
    token: reader.string(),
    impi: reader.string(),
    aor: reader.string(),
    identities: reader.list(readIdentity),
    contacts: reader.list(readContact),
    serviceRoute: reader.strings(),
    flow: readFlow(reader),
    outbound: reader.flag(),
    home: reader.string(),
    callId: reader.string(),
    icid: reader.string(),
    termIoi: reader.string(),
    chargingFunctions: reader.string(),
    boundAtMs: reader.number(),
    expiresAtMs: reader.number(),
    association: reader.string(),
  };
  return reader.damaged || binding.identities.length === 0 ? null : binding;
}

function readIdentity(reader: RecordReader): Identity {
  const uri = reader.string();
  return identityOf(uri);
}

/** An identity of a URI; what has no key of its own (a wildcarded one) is compared as text. */
export function identityOf(uri: string): Identity {
  const key = impuOf(uri);
  return { uri, key: typeof key === 'string' ? key : uri };
}

function readContact(reader: RecordReader): BoundContact {
  return {
    uri: reader.string(),
    instance: reader.string(),
    regId: reader.number(),
    pubGruu: reader.string(),
    tempGruu: reader.string(),
    expiresAtMs: reader.number(),
  };
}

function readFlow(reader: RecordReader): Flow {
  return {
    listener: reader.number(),
    transport: transports[reader.number()] ?? 'udp',
    address: reader.string(),
    port: reader.number(),
    connection: reader.number(),
  };
}
