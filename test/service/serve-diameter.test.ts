import { describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { baseResult } from '#diameter/result';
import { guardedHandler } from '#service/serve-diameter';
import { StoreError } from '#store/store';

const command = cxCommands.pushProfile;
const header = { flags: 0xc0, command: 305, application: 16777216, hopByHop: 1, endToEnd: 2 };
const request = decodeMessage(
  encodeMessage(header, [avp(baseAvps.sessionId, 'hss;1;2'), avp(baseAvps.originHost, 'hss.ims.test')]),
  cxDictionary,
) as DiameterMessage;

function guard(handler: Parameters<typeof guardedHandler>[1]) {
  const logged: { fields: object; words: string }[] = [];
  let defects = 0;
  const guarded = guardedHandler(command, handler, {
    log: { error: (fields, words) => void logged.push({ fields, words }) },
    failed: () => void defects++,
  });
  return { guarded, logged, defects: () => defects };
}

describe('guardedHandler', () => {
  it('D-14 hands on what the handler says, at once or later', async () => {
    const content = { result: baseResult(2001), avps: [] };
    const { guarded, logged } = guard(() => content);
    expect(guarded(request)).toBe(content);
    expect(await guard(() => Promise.resolve(content)).guarded(request)).toBe(content);
    expect(logged).toEqual([]);
  });

  it('D-14 answers 5012 for what throws or rejects, and logs it with its reason', async () => {
    const error = new Error('oops');
    const throwing = guard(() => {
      throw error;
    });
    expect(throwing.guarded(request)).toEqual({ result: baseResult(5012), avps: [] });
    const rejecting = guard(() => Promise.reject(error));
    expect(await rejecting.guarded(request)).toEqual({ result: baseResult(5012), avps: [] });
    for (const { logged, defects } of [throwing, rejecting]) {
      const fields = {
        reason: 'internal',
        err: error,
        command: 'Push-Profile',
        from: 'hss.ims.test',
        session: 'hss;1;2',
      };
      expect(logged).toEqual([{ fields, words: 'a Push-Profile request was not handled: a defect' }]);
      expect(defects()).toBe(1);
    }
  });

  it('D-14 a full disk is no defect', () => {
    const { guarded, logged, defects } = guard(() => {
      throw new StoreError('ERR_STORE_WRITE', 'disk full');
    });
    expect(guarded(request)).toMatchObject({ result: { code: 5012 } });
    expect(logged).toMatchObject([{ fields: { reason: 'store-failed' } }]);
    expect(defects()).toBe(0);
  });
});
