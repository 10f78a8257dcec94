import { decodeMessage } from '#diameter/codec/decode';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { wholeDictionary } from './diameter-corpus.ts';
import { mutateDiameter } from './diameter-mutate.ts';
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

/** The same among AVPs: a message has to be a whole one, and odd in three ways. */
export function plantedDiameterTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'planted Diameter defect',
    group: 'diameter-self-test',
    weight: 10,
    limitMs: messageMs,
    seeds,
    mutate: mutateDiameter,
    run(input) {
      const message = decodeMessage(Buffer.from(input, 'latin1'), wholeDictionary);
      if (!(message instanceof DecodeFailure)) readPlantedAvps(message);
    },
  };
}

function readPlantedAvps({ avps, hasUnknownMandatory }: DiameterMessage): number {
  if (avps.texts(cxAvps.publicIdentity).length > 2) {
    if (hasUnknownMandatory) {
      if (avps.text(baseAvps.userName) === undefined) throw new RangeError('the planted defect');
      return 2;
    }
    return 1;
  }
  return 0;
}
