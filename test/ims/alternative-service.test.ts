import { describe, expect, it } from 'vitest';
import { formatAlternativeService } from '#ims/alternative-service';
import { childOf, readXml } from '#ims/xml';
import { ParseFailure } from '#sip/errors';

function read(text: string) {
  const root = readXml(Buffer.from(text, 'latin1'));
  if (root instanceof ParseFailure) throw new Error(root.reason);
  const service = childOf(root, 'alternative-service')!;
  return { root: root.name, parts: service.children.map(({ name, text: value }) => [name, value]) };
}

describe('the document of an alternative service', () => {
  it('S-83 P-134 tells a UE to register anew', () => {
    const text = formatAlternativeService({ type: 'restoration', reason: 'lost', action: 'initial-registration' });
    expect(text).toContain('<ims-3gpp version="1">');
    expect(read(text)).toEqual({
      root: 'ims-3gpp',
      parts: [
        ['type', 'restoration'],
        ['reason', 'lost'],
        ['action', 'initial-registration'],
      ],
    });
  });

  it('S-83 P-84 of an emergency needs no action, and escapes whatever the reason is', () => {
    const reason = '</reason><action>x</action> & "\u00c3\u00bc"';
    expect(read(formatAlternativeService({ type: 'emergency', reason })).parts).toEqual([
      ['type', 'emergency'],
      ['reason', reason],
    ]);
  });
});
