import type { Flow, Listener, Target } from '#sip/transport/flow';

/** One message that left. */
export interface Sent {
  readonly text: string;
  readonly target: Target;
  readonly token: number;
}

export const udpListener: Listener = Object.freeze({
  index: 0,
  sides: ['mw'],
  transport: 'udp',
  address: '127.0.0.1',
  port: 5060,
  sentBy: '127.0.0.1:5060',
});

export const tcpListener: Listener = Object.freeze({ ...udpListener, index: 1, transport: 'tcp' });

export function flowFrom(address: string, port: number, transport: 'udp' | 'tcp' = 'udp'): Flow {
  return { listener: transport === 'udp' ? 0 : 1, transport, address, port, connection: transport === 'udp' ? 0 : 7 };
}

/** Lines with CRLF, an empty line and the body after them. */
export function message(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A clock in the test's hand that rings the alarms it was asked for. */
export class TestTime {
  nowMs = 1_000;
  #alarmMs = Number.POSITIVE_INFINITY;
  #ring: () => void = () => {};

  readonly now = (): number => this.nowMs;

  readonly alarm = (atMs: number): void => {
    this.#alarmMs = atMs;
  };

  onAlarm(ring: () => void): void {
    this.#ring = ring;
  }

  advance(ms: number): void {
    const until = this.nowMs + ms;
    while (this.#alarmMs <= until) {
      this.nowMs = Math.max(this.nowMs, this.#alarmMs);
      this.#alarmMs = Number.POSITIVE_INFINITY;
      this.#ring();
    }
    this.nowMs = until;
  }
}
