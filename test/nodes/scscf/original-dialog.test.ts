import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sessionCases } from '#ims/filter-criterion';
import {
  type OriginalDialog,
  openOriginalDialog,
  originalDialogKey,
  sealOriginalDialog,
} from '#nodes/scscf/original-dialog';
import { ParseFailure } from '#sip/errors';
import { parseSipUri } from '#sip/uri/sip-uri';

const key = originalDialogKey(createSecretKey(Buffer.alloc(32, 7)));
const dialog: OriginalDialog = {
  link: 2 ** 40,
  worker: 3,
  issuedS: 1_800_000_000,
  sessionCase: sessionCases.originatingCdiv,
  registered: true,
  position: 300,
  priority: 2 ** 31 - 1,
  depth: 20,
  impu: 'sip:alice@ims.test',
  profileKey: 'sip:alice@ims.test',
};

describe('original dialog identifiers', () => {
  it('S-95 say what was put into them, in a user part of bounded length', () => {
    const wildcard = {
      ...dialog,
      registered: false,
      profileKey: `sip:${'w'.repeat(508)}`,
      impu: `sip:${'u'.repeat(508)}`,
    };
    for (const each of [dialog, wildcard]) {
      const odi = sealOriginalDialog(each, key);
      expect(openOriginalDialog(odi, key)).toEqual(each);
      expect(parseSipUri(`sip:${odi}@127.0.0.1:6060;lr`)).toMatchObject({ user: odi });
      expect(odi.length).toBeLessThan(1500);
    }
  });

  it('S-95 are never alike and show nothing of the user', () => {
    const first = sealOriginalDialog(dialog, key);
    expect(sealOriginalDialog(dialog, key)).not.toBe(first);
    expect(Buffer.from(first.slice(4), 'base64url').includes('alice')).toBe(false);
  });

  it('S-95 are refused when a bit is changed, when cut off, of another secret, and when they are too long', () => {
    const odi = sealOriginalDialog(dialog, key);
    const octets = Buffer.from(odi.slice(4), 'base64url');
    for (let i = 0; i < octets.length; i++) {
      const changed = Buffer.from(octets);
      changed[i]! ^= 1;
      expect(openOriginalDialog(`odi.${changed.toString('base64url')}`, key)).toBeInstanceOf(ParseFailure);
      const cut = `odi.${octets.subarray(0, i).toString('base64url')}`;
      expect(openOriginalDialog(cut, key)).toBeInstanceOf(ParseFailure);
    }
    const other = originalDialogKey(createSecretKey(Buffer.alloc(32, 8)));
    expect(openOriginalDialog(odi, other)).toBeInstanceOf(ParseFailure);
    expect(openOriginalDialog(`odi.${'A'.repeat(4000)}`, key)).toBeInstanceOf(ParseFailure);
    expect(openOriginalDialog('mo', key)).toBeInstanceOf(ParseFailure);
  });
});
