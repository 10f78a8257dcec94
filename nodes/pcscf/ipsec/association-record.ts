import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { AssociationSet, SetEnd, SetState } from './association-set.ts';

const recordType = 0x41;
const recordVersion = 1;
const states: readonly SetState[] = ['temporary', 'established', 'old', 'ended'];
const integrities: readonly IntegrityAlgorithm[] = ['hmac-sha-1-96', 'hmac-md5-96', 'aes-gmac', 'null'];
const encryptions: readonly EncryptionAlgorithm[] = ['null', 'aes-cbc', 'des-ede3-cbc', 'aes-gcm'];

/** The record of a set; its keys are in it only as they are sealed. Requirement P-59. */
export function encodeAssociationSet(set: AssociationSet): Buffer {
  const writer = new RecordWriter(recordType, recordVersion)
    .string(set.id)
    .number(states.indexOf(set.state))
    .string(set.impi)
    .string(set.aor)
    .string(set.contact)
    .string(set.token);
  for (const end of [set.ue, set.own]) writeEnd(writer, end);
  return writer
    .number(integrities.indexOf(set.pair.alg))
    .number(encryptions.indexOf(set.pair.ealg))
    .strings(set.client)
    .string(set.server)
    .string(set.replaces)
    .number(set.connection)
    .number(set.connectionAtMs)
    .number(set.createdAtMs)
    .number(set.expiresAtMs)
    .number(set.restores)
    .bytes(set.keys)
    .finish();
}

/** Reads a record; null for one of another type, of a newer release, or damaged. */
export function decodeAssociationSet(octets: Buffer): AssociationSet | null {
  const reader = openRecord(octets, recordType, recordVersion);
  if (!(reader instanceof RecordReader)) return null;
  // Fields are read in the order they were written, which is the order of this literal.
  const set: AssociationSet = {
    id: reader.string(),
    state: states[reader.number()] ?? 'ended',
    impi: reader.string(),
    aor: reader.string(),
    contact: reader.string(),
    token: reader.string(),
    ue: readEnd(reader),
    own: readEnd(reader),
    pair: { alg: integrities[reader.number()] ?? 'null', ealg: encryptions[reader.number()] ?? 'null' },
    client: reader.strings(),
    server: reader.string(),
    replaces: reader.string(),
    connection: reader.number(),
    connectionAtMs: reader.number(),
    createdAtMs: reader.number(),
    expiresAtMs: reader.number(),
    restores: reader.number(),
    keys: Buffer.from(reader.bytes()),
  };
  return reader.damaged ? null : set;
}

function writeEnd(writer: RecordWriter, { address, clientPort, serverPort, clientSpi, serverSpi }: SetEnd): void {
  writer.string(address).number(clientPort).number(serverPort).number(clientSpi).number(serverSpi);
}

function readEnd(reader: RecordReader): SetEnd {
  return {
    address: reader.string(),
    clientPort: reader.number(),
    serverPort: reader.number(),
    clientSpi: reader.number(),
    serverSpi: reader.number(),
  };
}
