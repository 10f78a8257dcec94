import type { TimerWheel } from '#sip/transaction/timer-wheel';
import { Timer } from '#sip/transaction/timer-wheel';
import type { Parameters } from '#sip/uri/parameters';
import type { Call } from '../ue/call.ts';
import { numberParameter } from './behaviour.ts';

const secondsLimit = { min: 0, max: 3600 };
const earlyMs = 200;

/**
 * Plays an announcement to a caller: 183 with an SDP answer, soon 200, and BYE `seconds` (default 3) after the ACK. With
 * `status` it is early media all the time and the call is refused by that status in the end. Source: TS 24.628 4.5.2.
 */
export function announce(call: Call, parameters: Parameters, wheel: TimerWheel): void {
  const seconds = numberParameter(parameters, 'seconds', { ...secondsLimit, otherwise: 3 });
  const status = numberParameter(parameters, 'status', { min: 300, max: 699, otherwise: 0 });
  call.events = { answered: () => after(wheel, seconds * 1000, () => call.hangUp()) };
  call.ring(183);
  if (status === 0) after(wheel, earlyMs, () => call.answer());
  else after(wheel, seconds * 1000, () => call.reject(status));
}

function after(wheel: TimerWheel, ms: number, action: () => void): void {
  wheel.start(new Timer({ onTimer: action }, 'announcement'), ms);
}
