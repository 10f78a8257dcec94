/*
 * Quality of service as a precondition of a call, as far as a phone without a radio has it: its own resources are there as
 * soon as both have agreed. Source: RFC 3312 5, RFC 4032; TS 24.229 5.1.3.1, 5.1.4.1.
 */

/** What of the resources is there, as the writer sees it. */
export interface Reservation {
  readonly own: boolean;
  readonly other: boolean;
}

/** Whether a description makes quality of service a condition. */
export function asksForQos(sdp: string): boolean {
  return sdp.includes('\na=des:qos mandatory ');
}

/** What a description says, seen from who wrote it. */
export function reservationOf(sdp: string): Reservation {
  return { own: sdp.includes('\na=curr:qos local sendrecv'), other: sdp.includes('\na=curr:qos remote sendrecv') };
}

/** A description of one audio stream with the state of the resources; `confirm`: the other is to tell of its own. */
export function withQos(sdp: string, { own, other }: Reservation, confirm = false): string {
  const lines = [
    `a=curr:qos local ${own ? 'sendrecv' : 'none'}`,
    `a=curr:qos remote ${other ? 'sendrecv' : 'none'}`,
    'a=des:qos mandatory local sendrecv',
    'a=des:qos mandatory remote sendrecv',
    ...(confirm ? ['a=conf:qos remote sendrecv'] : []),
  ];
  return sdp.replace('a=sendrecv\r\n', `a=sendrecv\r\n${lines.join('\r\n')}\r\n`);
}
