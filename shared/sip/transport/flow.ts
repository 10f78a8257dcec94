/** Transport protocols a SIP message can travel by. */
export type TransportName = 'udp' | 'tcp' | 'tls';

/** A socket address this node listens on, and the name it gives for it in Via, Path and Record-Route. */
export interface Listener {
  /** Position in the daemon's list of listeners; flows name their listener by it. */
  readonly index: number;
  /** Which reference point the listener serves: `gm`, `mw`. One address may serve several. */
  readonly sides: readonly string[];
  readonly transport: TransportName;
  /** Local address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** `host:port` as written into Via, Path, Record-Route (IPv6 in brackets). */
  readonly sentBy: string;
  /**
   * On ports that only traffic inside IPsec associations passes: `server` is where UEs send to, `client` where we send
   * from. Absent on all others. Source: TS 33.203 7.1; requirement P-01.
   */
  readonly protection?: 'server' | 'client';
  /**
   * A change of the configuration took it away: it keeps its place, so that flows noted before mean what they meant, and
   * nothing new goes out by it. Absent on all others.
   */
  readonly closed?: true;
  /** Only on protected ones: the server port of the pair, which `sentBy` names whatever socket sends. */
  readonly sentByPort?: number;
}

/** A listener that is bound, and serves once it is let. */
export interface BoundListener {
  /** The port in use. */
  readonly port: number;
  /** Takes what comes from now on; connections and datagrams that came before were refused. */
  serve(): void;
  /** Gives the port up again. */
  release(): void | Promise<void>;
}

/** Where a message came from, and the way an answer goes back. */
export interface Flow {
  /** Index of the listener that received it. */
  readonly listener: number;
  readonly transport: TransportName;
  /** Remote address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Number of the stream connection, never reused within a process; 0 for UDP. */
  readonly connection: number;
}

/** Where a message goes: like a flow; `connection` 0 on a stream transport means "connect, or reuse what is open". */
export interface Target extends Flow {
  /**
   * Host of the URI the message goes to, lower case, IPv6 without brackets: what the certificate of a TLS peer must be
   * for. Only on targets of TLS. Source: RFC 5922 7.3.
   */
  readonly domain?: string;
  /** Index of the TCP listener a request goes by when it is too large for a datagram; absent: it stays on UDP. */
  readonly streamListener?: number;
  /** The connection that is then taken, one that its peer has opened; absent: an open one to the target, or a new one. */
  readonly streamConnection?: number;
}
