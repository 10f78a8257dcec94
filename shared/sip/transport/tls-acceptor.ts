import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { handshakeWords } from './handshake-words.ts';
import type { HandshakeFailure, Secured } from './stream-security.ts';
import type { TlsMaterial } from './tls-files.ts';
import { sipDomainsOf } from './tls-names.ts';

export type ClientCertificates = 'off' | 'optional' | 'required';

type Done = (outcome: Secured | HandshakeFailure) => void;

/**
 * The server side of TLS handshakes for connections that somebody else accepts.
 *
 * A certificate that the peer shows is verified; with `required` it must be good, with `optional` a bad one only proves
 * nothing. Takes new certificates at any time: connections that are there keep theirs.
 *
 * Source: RFC 5246 7.4.4, RFC 6066 3 (server name), RFC 5922 7.5; requirement C-10.
 */
export class TlsAcceptor {
  readonly #server: Server;
  readonly #clients: ClientCertificates;
  readonly #waiting = new Map<string, Done>();
  #byName: TlsMaterial['byName'];

  constructor(material: TlsMaterial, clients: ClientCertificates) {
    this.#clients = clients;
    this.#byName = material.byName;
    const asks = clients !== 'off';
    this.#server = createServer({
      ...material.options,
      requestCert: asks,
      // Judged below: the reason would be lost otherwise.
      rejectUnauthorized: false,
      // A resumed session would prove what a certificate of yesterday proved.
      ...(asks ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
      SNICallback: (name, answer) => answer(null, this.#byName.get(name.toLowerCase())),
    });
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#settle(socket, { words: handshakeWords(error) }));
  }

  /** Uses other certificates for handshakes from now on. */
  renew(material: TlsMaterial): void {
    this.#byName = material.byName;
    this.#server.setSecureContext(material.options);
  }

  /** Takes over an accepted socket; see Securing. */
  readonly accept = (raw: Socket, done: Done): void => {
    const key = keyOf(raw);
    this.#waiting.set(key, done);
    raw.once('close', () => this.#finish(key, done, { words: handshakeWords(closedError) }));
    this.#server.emit('connection', raw);
  };

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {});
    socket.disableRenegotiation();
    const { authorized } = socket;
    if (this.#clients === 'required' && !authorized) {
      this.#settle(socket, { words: this.#refusalOf(socket) });
      return;
    }
    this.#settle(socket, { socket, domains: authorized ? sipDomainsOf(socket.getPeerCertificate()) : [] });
  }

  #refusalOf(socket: TLSSocket): string {
    if (socket.getPeerX509Certificate() === undefined) return 'the peer shows no certificate (tls.clientCertificates)';
    // The type says Error, but it is the code alone.
    const code = String(socket.authorizationError);
    return handshakeWords(Object.assign(new Error(code), { code }));
  }

  #settle(socket: TLSSocket, outcome: Secured | HandshakeFailure): void {
    const key = keyOf(socket);
    const done = this.#waiting.get(key);
    if (done === undefined) socket.destroy();
    else this.#finish(key, done, outcome);
  }

  #finish(key: string, done: Done, outcome: Secured | HandshakeFailure): void {
    if (this.#waiting.get(key) !== done) return;
    this.#waiting.delete(key);
    done(outcome);
  }
}

const closedError: NodeJS.ErrnoException = Object.assign(new Error('closed'), { code: 'ECONNRESET' });

/** Both ends of a connection: the one thing that the raw socket and the secure one over it share. */
function keyOf(socket: Socket): string {
  return `${socket.remotePort} ${socket.remoteAddress} ${socket.localPort} ${socket.localAddress}`;
}
