import { readFileSync } from 'node:fs';

/*
 * Loaded into a daemon and its threads before all else (NODE_OPTIONS=--import): its wall clock runs ahead of the real one by
 * the milliseconds that stand in the file of CSCF_TEST_CLOCK. The monotonic clock and timers are left alone, as when
 * somebody sets the clock of a machine.
 */

const real = Date.now;
const file = process.env.CSCF_TEST_CLOCK ?? '';
const lookMs = 50;
let aheadMs = 0;
let lookedMs = 0;

Date.now = () => {
  const nowMs = real();
  if (nowMs - lookedMs > lookMs) {
    lookedMs = nowMs;
    try {
      aheadMs = Number(readFileSync(file, 'latin1')) || 0;
    } catch {
      aheadMs = 0;
    }
  }
  return nowMs + aheadMs;
};
