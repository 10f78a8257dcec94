import { openRecord, RecordReader, RecordWriter } from '#store/records';

/** What application servers know of registrations, by the key of the registration; none where no server is told. */
export const THIRD_PARTIES = 'third-parties';

/** One application server that hears, or is to hear, of an identity. */
export interface ToldServer {
  /** Its URI, as the profile has it. */
  readonly server: string;
  /** The identity that stands in To, as the HSS wrote it. */
  readonly identity: string;
  readonly serviceInfo: string;
}

/** What is kept of the third-party REGISTERs of one registration, for as long as it lives. */
export interface ThirdParties {
  /** When the registration began, milliseconds since 1970: tells it from a later one. */
  readonly sinceMs: number;
  /** '' until one was sent. */
  readonly callId: string;
  /** The last one. */
  readonly cseq: number;
  /** Who was told of the registration. */
  readonly told: readonly ToldServer[];
  /** Who is told when the network ends the registration. */
  readonly ending: readonly ToldServer[];
}

const RECORD_TYPE = 4;
const RECORD_VERSION = 1;

/** The record of `THIRD_PARTIES`. */
export function encodeThirdParties({ sinceMs, callId, cseq, told, ending }: ThirdParties): Buffer {
  return new RecordWriter(RECORD_TYPE, RECORD_VERSION)
    .number(sinceMs)
    .string(callId)
    .number(cseq)
    .list(told, writeServer)
    .list(ending, writeServer)
    .finish();
}

/** Reads a record; null when it is none of ours. */
export function decodeThirdParties(octets: Buffer): ThirdParties | null {
  const reader = openRecord(octets, RECORD_TYPE, RECORD_VERSION);
  if (!(reader instanceof RecordReader)) return null;
  const parties = {
    sinceMs: reader.number(),
    callId: reader.string(),
    cseq: reader.number(),
    told: reader.list(readServer),
    ending: reader.list(readServer),
  };
  return reader.damaged ? null : parties;
}

/** Whether two entries are the same server for the same identity. */
export function isSameServer(a: ToldServer, b: ToldServer): boolean {
  return a.server === b.server && a.identity === b.identity;
}

function writeServer(writer: RecordWriter, { server, identity, serviceInfo }: ToldServer): void {
  writer.string(server).string(identity).string(serviceInfo);
}

function readServer(reader: RecordReader): ToldServer {
  return { server: reader.string(), identity: reader.string(), serviceInfo: reader.string() };
}
