import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type DaemonVerdicts,
  everywhere,
  type NodeVerdict,
  type ParserVerdict,
  silent,
  stranger,
} from './torture-case.ts';

/** What is expected of a message of RFC 4475 by its name there. */
export interface FileVerdicts {
  readonly parser: ParserVerdict;
  readonly proxy: NodeVerdict;
  readonly daemons: DaemonVerdicts;
}

const refused = (status: '400' | '416' | '505'): FileVerdicts => ({
  parser: status,
  proxy: status,
  daemons: everywhere(status),
});
const forwarded: FileVerdicts = { parser: 'accepted', proxy: 'forwarded', daemons: stranger };
const foreign: FileVerdicts = { parser: 'accepted', proxy: 'dropped', daemons: silent };
const dropped: FileVerdicts = { parser: 'dropped', proxy: 'dropped', daemons: silent };
/** Refused by the node that registers it, or asks for more than a proxy can. */
const atPcscf = (proxy: NodeVerdict, pcscf: NodeVerdict): FileVerdicts => ({
  parser: 'accepted',
  proxy,
  daemons: { ...stranger, pcscf },
});

/** Source: RFC 4475 3, and docs/decisions for what it leaves open. */
export const rfc4475Files: Readonly<Record<string, FileVerdicts>> = {
  wsinv: forwarded,
  intmeth: forwarded,
  esc01: forwarded,
  escnull: forwarded,
  esc02: forwarded,
  lwsdisp: forwarded,
  longreq: forwarded,
  dblreq: forwarded,
  semiuri: forwarded,
  transports: forwarded,
  mpart01: forwarded,
  unreason: foreign,
  noreason: foreign,
  badinv01: refused('400'),
  clerr: refused('400'),
  ncl: refused('400'),
  scalar02: refused('400'),
  scalarlg: dropped,
  quotbal: refused('400'),
  ltgtruri: refused('400'),
  lwsruri: refused('400'),
  lwsstart: refused('400'),
  trws: refused('400'),
  escruri: forwarded,
  baddate: forwarded,
  regbadct: atPcscf('forwarded', '400'),
  badaspec: refused('400'),
  baddn: refused('400'),
  badvers: refused('505'),
  mismatch01: refused('400'),
  mismatch02: refused('400'),
  bigcode: dropped,
  badbranch: forwarded,
  insuf: refused('400'),
  unkscm: refused('416'),
  novelsc: refused('416'),
  unksm2: atPcscf('forwarded', '400'),
  bext01: atPcscf('420', '420'),
  invut: forwarded,
  regaut01: atPcscf('forwarded', '400'),
  multi01: refused('400'),
  mcl01: refused('400'),
  bcast: foreign,
  zeromf: atPcscf('483', '483'),
  cparam01: forwarded,
  cparam02: forwarded,
  regescrt: forwarded,
  sdp01: forwarded,
  inv2543: forwarded,
};

/** Names in the messages that a P-CSCF would otherwise ask the DNS about. */
export const rfc4475Hosts: readonly string[] = ['example.com', 'registrar.example.com'];

/** The folder with the messages as the RFC has them, null where there is none. */
export function rfc4475Folder(): string | null {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const folder = process.env.CSCF_TORTURE ?? join(root, '..', 'shared', 'torture', 'rfc4475');
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.dat')) ? folder : null;
}

/** The messages of a folder by name, latin1. */
export function readMessages(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.dat'));
  return new Map(files.map((name) => [name.slice(0, -4), readFileSync(join(folder, name), 'latin1')]));
}
