import { ParseFailure } from '#sip/errors';

/** Octets of a service centre time stamp. */
export const timeStampOctets = 7;

const quarterMs = 15 * 60_000;

/** A time (milliseconds since 1970) as a time stamp, in UTC. Source: TS 23.040 9.2.3.11. */
export function timeStamp(atMs: number): Uint8Array {
  const at = new Date(atMs);
  const parts = [
    at.getUTCFullYear() % 100,
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
    0,
  ];
  return Uint8Array.from(parts.map((part) => ((part % 10) << 4) | Math.floor(part / 10)));
}

/** Milliseconds since 1970 of a time stamp. Source: TS 23.040 9.2.3.11. */
export function readTimeStamp(octets: Uint8Array): number | ParseFailure {
  if (octets.length < timeStampOctets) return new ParseFailure('time stamp cut off');
  const zone = octets[6]!;
  const [year, month, day, hour, minute, second, quarters] = [...octets.subarray(0, 6), zone & 0xf7].map(
    (octet) => (octet & 0xf) * 10 + (octet >> 4),
  ) as [number, number, number, number, number, number, number];
  const real = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 60;
  if (!real) return new ParseFailure('time stamp of no real time');
  const utcMs = Date.UTC(year < 70 ? 2000 + year : 1900 + year, month - 1, day, hour, minute, second);
  return utcMs - ((zone & 8) === 0 ? 1 : -1) * quarters * quarterMs;
}
