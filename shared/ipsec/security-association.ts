/** Integrity algorithms of a Security-Client entry (RFC 3329 appendix, TS 33.203 annex H). */
export type IntegrityAlgorithm = 'hmac-sha-1-96' | 'hmac-md5-96' | 'aes-gmac' | 'null';

/** Encryption algorithms of a Security-Client entry; `null` of integrity goes with `aes-gcm` only. */
export type EncryptionAlgorithm = 'null' | 'aes-cbc' | 'des-ede3-cbc' | 'aes-gcm';

/** An address and port that a selector names exactly. */
export interface Endpoint {
  /** IPv4 dotted or IPv6 in canonical form without brackets. */
  readonly address: string;
  readonly port: number;
}

/**
 * One ESP security association in transport mode, for UDP and TCP alike. Its identity is (destination address, SPI).
 * Source: TS 33.203 7.1, RFC 4303; requirement P-35.
 */
export interface SecurityAssociation {
  /** Seen from the host that installs it. */
  readonly direction: 'in' | 'out';
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** 256 to 4294967295. */
  readonly spi: number;
  readonly integrity: IntegrityAlgorithm;
  readonly encryption: EncryptionAlgorithm;
  /** Key octets as the algorithm wants them, see `keysOf`; empty where the algorithm is null. */
  readonly integrityKey: Buffer;
  readonly encryptionKey: Buffer;
  /** Safety net below the timers of the application: seconds from now after which the association ends by itself. */
  readonly lifetimeSeconds: number;
  /** Where the sequence numbers of an outgoing one begin: 0, or far ahead when it is restored after a restart. */
  readonly firstSequence: number;
}

/** An association that the back end holds, without its keys. */
export interface InstalledAssociation {
  readonly direction: 'in' | 'out';
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly spi: number;
}
