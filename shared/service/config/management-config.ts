import { type Endpoint, formatEndpoint, parseEndpoint } from './address.ts';
import type { ReportProblem } from './config-problem.ts';
import type { ManagementHttpConfig, ServiceConfig } from './config-shape.ts';

/** The section as it passed the schema, its path made absolute. */
export interface RawManagement {
  readonly socket?: string;
  readonly http?: { readonly listen: string; readonly token?: string };
}

/** The longest path of a Unix socket that the kernel takes, bytes. */
const maxSocketPath = 107;

/** Turns the `management` section into its typed form. `fallback`: the socket where the section names none. */
export function resolveManagement(
  raw: RawManagement,
  fallback: string,
  problem: ReportProblem,
): ServiceConfig['management'] {
  const socket = raw.socket ?? fallback;
  if (Buffer.byteLength(socket) > maxSocketPath) {
    problem(
      ['socket'],
      `the path ${socket} is longer than the ${maxSocketPath} bytes a socket may have`,
      'choose a shorter one, such as /run/cscf/NAME.sock',
    );
  }
  return raw.http === undefined ? { socket } : { socket, http: httpOf(raw.http, problem) };
}

/** HTTP beyond loopback needs a token. */
function httpOf(raw: NonNullable<RawManagement['http']>, problem: ReportProblem): ManagementHttpConfig {
  const listen = parseEndpoint(raw.listen) as Endpoint;
  const loopback = listen.address.startsWith('127.') || listen.address === '::1';
  if (!loopback && raw.token === undefined) {
    problem(
      ['http'],
      `${formatEndpoint(listen)} can be reached from elsewhere, and there is no token`,
      `add token: "\${CSCF_TOKEN}", or listen on tcp:127.0.0.1:PORT`,
    );
  }
  return { ...raw, listen };
}
