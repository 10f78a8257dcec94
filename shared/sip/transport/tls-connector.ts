import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext } from 'node:tls';
import { handshakeWords } from './handshake-words.ts';
import type { HandshakeFailure, Secured, Securing } from './stream-security.ts';
import { isFor, sipDomainsOf } from './tls-names.ts';

/**
 * The client side of a TLS handshake with the servers of a domain.
 *
 * `verify`: the certificate must be signed by an authority we know and be for that domain; without it any will do. The
 * server name is sent where the domain is no address.
 *
 * Source: RFC 5922 7.3, RFC 6066 3; requirements C-10, C-14.
 */
export function connectSecurely(domain: string, context: SecureContext, verify: boolean): Securing {
  return (raw: Socket, done: (outcome: Secured | HandshakeFailure) => void) => {
    let domains: readonly string[] | null = null;
    let settled = false;
    const settle = (outcome: Secured | HandshakeFailure) => {
      if (settled) return;
      settled = true;
      done(outcome);
    };
    const socket = connect({
      socket: raw,
      secureContext: context,
      rejectUnauthorized: verify,
      ...(isIP(domain) === 0 ? { servername: domain } : {}),
      checkServerIdentity(_host, certificate) {
        domains = sipDomainsOf(certificate);
        return isFor(domains, domain) ? undefined : nameError(domains, domain);
      },
    });
    socket.once('secureConnect', () => {
      socket.disableRenegotiation();
      settle({ socket, domains: verify ? (domains ?? []) : null });
    });
    socket.on('error', (error) => settle({ words: handshakeWords(error) }));
    // The error, if there is one, comes after it.
    raw.once('close', () => setImmediate(() => settle({ words: handshakeWords(closedError) })));
  };
}

const closedError: NodeJS.ErrnoException = Object.assign(new Error('closed'), { code: 'ECONNRESET' });

function nameError(domains: readonly string[], wanted: string): Error {
  const named = domains.length === 0 ? 'no SIP domain' : domains.slice(0, 4).join(', ');
  return new Error(`the certificate is for ${named}, wanted ${wanted}`);
}
