import { HEADER_LENGTH } from './codec/message.ts';
import { baseAvps } from './dictionary/base.ts';
import { MAX_WORKERS } from './hop-by-hop.ts';
import { sameIdentity } from './identity.ts';

const AVP_HEADER_LENGTH = 8;
const SEMICOLON = 0x3b;

/**
 * The worker whose client made the Session-Id of a request (`<Origin-Host>;<boot>;<counter>[;<worker>]`), or -1 when another
 * node made it, or it is not the first AVP as it has to be. Source: RFC 6733 8.8; requirement D-02.
 */
export function workerOfSession(message: Buffer, originHost: string): number {
  if (message.length < HEADER_LENGTH + AVP_HEADER_LENGTH) return -1;
  if (message.readUInt32BE(HEADER_LENGTH) !== baseAvps.sessionId.code || message[HEADER_LENGTH + 4]! >= 0x80) return -1;
  const start = HEADER_LENGTH + AVP_HEADER_LENGTH;
  const end = HEADER_LENGTH + message.readUIntBE(HEADER_LENGTH + 5, 3);
  const hostEnd = start + originHost.length;
  if (end > message.length || message[hostEnd] !== SEMICOLON) return -1;
  if (!sameIdentity(message.toString('latin1', start, hostEnd), originHost)) return -1;
  const [, boot, counter, worker = '0', ...more] = message.toString('latin1', hostEnd, end).split(';', 5);
  if (!isNumber(boot) || !isNumber(counter) || !isNumber(worker) || more.length > 0) return -1;
  return Number(worker) < MAX_WORKERS ? Number(worker) : -1;
}

/** The worker that made a Session-Id of this node, which may have run before; -1 when it is none. */
export function workerOfSessionId(sessionId: string): number {
  const [, boot, counter, worker = '0', ...more] = sessionId.split(';', 5);
  return isNumber(boot) && isNumber(counter) && isNumber(worker) && more.length === 0 ? Number(worker) : -1;
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
