/**
 * The methods of SIP: what nodes of the core pass on and name in Allow, and metrics count by themselves.
 *
 * Source: RFC 3261, 3262 (PRACK), 3311 (UPDATE), 3428 (MESSAGE), 3515 (REFER), 3903 (PUBLISH), 6086 (INFO), 6665 (SUBSCRIBE, NOTIFY).
 */
export const methods = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'PRACK',
  'UPDATE',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'REFER',
  'INFO',
  'PUBLISH',
  'OPTIONS',
  'REGISTER',
] as const;
