/** How phones reach the P-CSCF. A phone is a number; each has a loopback address of its own. */
export interface Wire {
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** `host:port` of a phone, for Via and Contact. */
  sentBy(phone: number): string;
  /** Connects a phone where that is needed. Rejects when the P-CSCF takes no connection. */
  open(phone: number): Promise<void>;
  /** Sends one message, latin1; one that can't leave is lost. */
  send(text: string, phone: number): void;
  /** Runs work whose messages leave together. */
  batch(work: () => void): void;
  close(): Promise<void>;
}

export interface WireEvents {
  /** A message came, for whichever phone. */
  message(text: string): void;
  /** The connection of a phone is gone. */
  lost(phone: number): void;
}

/** Address of the number-th phone or stranger of a group: 127.GROUP.0.1 and on, into the next groups after 65,534. */
export function loopbackAddress(group: number, number: number): string {
  const value = number + 1;
  return `127.${group + (value >> 16)}.${(value >> 8) & 255}.${value & 255}`;
}
