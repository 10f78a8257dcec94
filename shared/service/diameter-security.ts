import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, createServer, type PeerCertificate, type Server } from 'node:tls';
import type { PeerSecurity } from '#diameter/peer/peer-settings';
import { handshakeWords } from '#sip/transport/handshake-words';
import { TlsCredentials } from '#sip/transport/tls-credentials';
import type { TlsSettings } from '#sip/transport/tls-security';

/** TLS with Diameter peers, by the certificates of the node. */
export interface DiameterSecurity extends PeerSecurity {
  /** Reads the files anew, changed or not. Gives whether they are in use now. */
  reload(): Promise<boolean>;
  close(): void;
}

/**
 * Reads the certificates and looks at their files from now on; connections that are there keep theirs. Both sides show
 * a certificate, and it must be for the other's Diameter identity, unless `verify` is off.
 *
 * `report` takes what becomes of files that change. Throws SipError ERR_SIP_TLS for files that cannot be used.
 * Source: RFC 6733 13.1, RFC 5280 6; requirement D-01.
 */
export async function openDiameterSecurity(
  tls: TlsSettings,
  report: (words: string) => void,
): Promise<DiameterSecurity> {
  const servers: Server[] = [];
  const credentials = await TlsCredentials.open(tls, {
    renewed({ options, words }) {
      for (const server of servers) server.setSecureContext(options);
      report(`certificates for Diameter renewed: ${words}`);
    },
    unusable: (words) => report(`certificates for Diameter stay as they are: ${words}`),
  });
  credentials.watch();
  return {
    connect: (address, port, host) =>
      connect({
        host: address,
        port,
        secureContext: credentials.material.context,
        rejectUnauthorized: tls.verify,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        checkServerIdentity: (_address, certificate) => whyNotFor(host, certificate),
      }),
    createServer() {
      const server = createServer({
        ...credentials.material.options,
        requestCert: true,
        // Judged when the CER says who it should be; the reason would be lost otherwise.
        rejectUnauthorized: false,
        // A resumed session would prove what a certificate of yesterday proved.
        secureOptions: constants.SSL_OP_NO_TICKET,
      });
      server.on('secureConnection', (socket) => socket.disableRenegotiation());
      servers.push(server);
      return server;
    },
    proves: (socket, host) =>
      !tls.verify || (socket.authorized && whyNotFor(host, socket.getPeerCertificate()) === undefined),
    words: (error) =>
      error.code?.startsWith('E') === true && !error.code.startsWith('ERR') ? error.code : handshakeWords(error),
    reload: () => credentials.reload(),
    close: () => credentials.close(),
  };
}

function whyNotFor(host: string, certificate: PeerCertificate): Error | undefined {
  const error = checkServerIdentity(host, certificate);
  if (error === undefined) return undefined;
  const named = certificate.subjectaltname ?? certificate.subject?.CN ?? 'nobody';
  return new Error(`the certificate is for ${String(named)}, wanted ${host}`);
}
