import { readFileSync } from 'node:fs';
import type { IpsecCounters } from '../ipsec-backend.ts';

const file = '/proc/net/xfrm_stat';

/** Which of the kernel's counters make up one of ours. */
const sources: Record<keyof IpsecCounters, readonly string[]> = {
  plain: ['XfrmInTmplMismatch', 'XfrmInNoPols', 'XfrmOutNoStates'],
  integrity: ['XfrmInStateProtoError'],
  replay: ['XfrmInStateSeqError'],
  mismatch: ['XfrmInStateMismatch'],
  unknown: ['XfrmInNoStates'],
};

/** The kernel's counters of this network namespace since it began; all 0 where the kernel keeps none. */
export function readKernelCounters(): IpsecCounters {
  try {
    return countersIn(readFileSync(file, 'latin1'));
  } catch {
    return countersIn('');
  }
}

/** The counters in the text of /proc/net/xfrm_stat: a name and a number per line. */
export function countersIn(text: string): IpsecCounters {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, value] = line.split(/\s+/);
    if (name && value) values.set(name, Number(value));
  }
  const sum = (names: readonly string[]) => names.reduce((total, name) => total + (values.get(name) ?? 0), 0);
  return {
    plain: sum(sources.plain),
    integrity: sum(sources.integrity),
    replay: sum(sources.replay),
    mismatch: sum(sources.mismatch),
    unknown: sum(sources.unknown),
  };
}

/** How far the counters have come since `before`. */
export function countersSince(before: IpsecCounters, now: IpsecCounters): IpsecCounters {
  return {
    plain: now.plain - before.plain,
    integrity: now.integrity - before.integrity,
    replay: now.replay - before.replay,
    mismatch: now.mismatch - before.mismatch,
    unknown: now.unknown - before.unknown,
  };
}
