import type { StreamEvent } from '#sip/transport/stream-events';
import type { Logger } from './log.ts';
import type { LogLimiter } from './log-limiter.ts';

/**
 * Writes what happens to stream connections into the log: what a peer can cause is limited by its address, what the
 * operator has to know is not.
 *
 * Source: X-F3, X-F6.
 */
export function streamLog(log: Logger, limiter: LogLimiter): (event: StreamEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'handshake-failed': {
        const { address, domain, words } = event;
        const wanted = domain === '' ? {} : { domain };
        limiter.warn('tls-handshake-failed', address, { words, ...wanted }, 'no secure connection');
        return;
      }
      case 'refused':
        limiter.warn('connection-refused', event.address, { cause: refusedBy[event.cause] }, 'a connection is refused');
        return;
      case 'displaced':
        limiter.warn('connection-displaced', event.address, {}, 'a connection ended to make room for one of the core');
        return;
      case 'crowded': {
        const { open, limit } = event;
        const advice = 'raise limits.streams.connections, or ulimit -n, or find out who connects';
        log.error({ reason: 'connections-crowded', open, limit, advice }, 'four fifths of the connections are in use');
        return;
      }
      case 'certificates-renewed':
        log.info({ certificate: event.words }, 'new certificates are in use');
        return;
      case 'certificates-unusable':
        log.error(
          { reason: 'certificates-unusable', words: event.words },
          'changed certificate files cannot be used; the ones before stay in use',
        );
        return;
    }
  };
}

const refusedBy = {
  source: 'limits.streams.perSource',
  total: 'limits.streams.connections, or the open files of the process',
} as const;
