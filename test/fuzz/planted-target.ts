import { type FuzzTarget, messageMs } from './target.ts';

/**
 * A defect planted for the self-test. It lies behind six questions one inside the other, each of which one input of some
 * hundred answers rightly: chance alone would need 10^12 tries, who sees how far an input got a few thousand.
 */
export function plantedTarget(): FuzzTarget {
  return {
    name: 'planted defect',
    group: 'self-test',
    weight: 10,
    limitMs: messageMs,
    seeds: ['A: b;c=d', 'B: another'],
    run(input) {
      readPlanted(input);
    },
  };
}

function readPlanted(text: string): number {
  if (text.includes('<')) {
    if (text.includes('%')) {
      if (text.includes('[')) {
        if (text.includes('\0')) {
          if (text.includes('"')) {
            if (text.includes('@')) throw new RangeError('the planted defect');
            return 5;
          }
          return 4;
        }
        return 3;
      }
      return 2;
    }
    return 1;
  }
  return 0;
}
