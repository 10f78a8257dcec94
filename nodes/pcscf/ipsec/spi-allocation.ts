import { randomInt } from 'node:crypto';

/** SPIs of ours are the 2^24 from here on. */
const firstSpi = 256;
const spaceSize = 2 ** 24;
/** With a space that is all but full it is better to refuse than to go on rolling. */
const maxTries = 64;

/**
 * An SPI for an incoming association of this host: random, so that nobody can guess it, and one that nobody has; -1 when
 * none was found. Workers draw from shares of their own, so that two of them never draw the same one at a time.
 *
 * `isTaken`: whether an association, living or lingering, has it. Source: TS 33.203 7.1; requirement P-34.
 */
export function newSpi(
  worker: number,
  workers: number,
  isTaken: (spi: number) => boolean,
  random: (size: number) => number = randomInt,
): number {
  const share = Math.floor(spaceSize / workers);
  for (let i = 0; i < maxTries; i++) {
    const spi = firstSpi + random(share) * workers + worker;
    if (!isTaken(spi)) return spi;
  }
  return -1;
}

/**
 * The port to send from to a UE: one of the pool that no other association of that UE has, beginning at `first` (so that
 * a restarted node does not begin with the ports its last life has left connections on). When all are in use, the one
 * that `inUse` names first, which is the oldest.
 *
 * Source: TS 33.203 7.4; requirement P-34.
 */
export function choosePort(pool: readonly number[], inUse: readonly number[], first: number): number {
  for (let i = 0; i < pool.length; i++) {
    const port = pool[(first + i) % pool.length]!;
    if (!inUse.includes(port)) return port;
  }
  return inUse.find((port) => pool.includes(port)) ?? pool[0]!;
}
