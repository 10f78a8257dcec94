import { createSecureContext, type SecureContext } from 'node:tls';
import type { Listener } from './flow.ts';
import type { StreamEvent } from './stream-events.ts';
import type { Securing, StreamSecurity } from './stream-security.ts';
import { type ClientCertificates, TlsAcceptor } from './tls-acceptor.ts';
import { connectSecurely } from './tls-connector.ts';
import { TlsCredentials } from './tls-credentials.ts';
import type { TlsFiles } from './tls-files.ts';

export interface TlsSettings extends TlsFiles {
  /** Asked of core nodes; a listener that serves phones as well takes those that show none, one for phones asks nobody. */
  readonly clientCertificates: ClientCertificates;
  /** Whether the certificates of servers we connect to are verified. */
  readonly verify: boolean;
}

/** TLS of a node that listens: its certificates, and the handshakes both ways. */
export class TlsSecurity implements StreamSecurity {
  readonly #settings: TlsSettings;
  readonly #credentials: TlsCredentials;
  /** By what they ask of who connects: listeners come and go. */
  readonly #acceptors: Map<ClientCertificates, TlsAcceptor>;

  private constructor(
    settings: TlsSettings,
    credentials: TlsCredentials,
    acceptors: Map<ClientCertificates, TlsAcceptor>,
  ) {
    this.#settings = settings;
    this.#credentials = credentials;
    this.#acceptors = acceptors;
  }

  /** Reads the files and looks at them from now on. Throws SipError ERR_SIP_TLS. */
  static async open(settings: TlsSettings, report: (event: StreamEvent) => void): Promise<TlsSecurity> {
    const acceptors = new Map<ClientCertificates, TlsAcceptor>();
    const credentials = await TlsCredentials.open(settings, {
      renewed(material) {
        for (const acceptor of acceptors.values()) acceptor.renew(material);
        report({ kind: 'certificates-renewed', words: material.words });
      },
      unusable: (words) => report({ kind: 'certificates-unusable', words }),
    });
    credentials.watch();
    return new TlsSecurity(settings, credentials, acceptors);
  }

  /** What to say of the certificates at the start: whom they are for, and what is wrong with them. */
  get words(): { readonly certificate: string; readonly warnings: readonly string[] } {
    const { words, warnings } = this.#credentials.material;
    return { certificate: words, warnings };
  }

  accepting({ sides }: Listener): Securing {
    const asked = askedOf(sides, this.#settings.clientCertificates);
    const acceptor = this.#acceptors.get(asked) ?? new TlsAcceptor(this.#credentials.material, asked);
    this.#acceptors.set(asked, acceptor);
    return acceptor.accept;
  }

  connecting(domain: string): Securing {
    return connectSecurely(domain, this.#credentials.material.context, this.#settings.verify);
  }

  /** Reads the files anew, changed or not. Gives whether they are in use now. */
  reload(): Promise<boolean> {
    return this.#credentials.reload();
  }

  close(): void {
    this.#credentials.close();
  }
}

/** TLS of a phone: it only connects. `ca`: PEM of the authorities; left out, those that Node.js trusts. */
export function phoneSecurity(ca: string | undefined, verify: boolean): StreamSecurity {
  const context: SecureContext = createSecureContext({ minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) });
  return {
    accepting() {
      throw new Error('a phone accepts no TLS');
    },
    connecting: (domain) => connectSecurely(domain, context, verify),
  };
}

function askedOf(sides: readonly string[], wanted: ClientCertificates): ClientCertificates {
  if (wanted === 'off' || !sides.includes('mw')) return 'off';
  return sides.includes('gm') ? 'optional' : wanted;
}
