import { describe, expect, it, vi } from 'vitest';
import { KeptTexts } from '#sip/transaction/kept-texts';

describe('texts outside the heap', () => {
  it('are there until they are let go, whichever goes first', () => {
    const kept = new KeptTexts();
    const texts = Array.from({ length: 3000 }, (_, i) => `SIP/2.0 200 OK\r\nX: ${'\xe9'.repeat(i % 700)}${i}\r\n\r\n`);
    const held = texts.map((text) => kept.keep(text));
    // Every third goes, so that no slab is empty; then the others, from the last.
    for (let i = 0; i < held.length; i += 3) held[i]!.release();
    expect(held.map((each, i) => each.text === (i % 3 === 0 ? '' : texts[i])).includes(false)).toBe(false);
    const later = texts.map((text) => kept.keep(text));
    for (const each of held.reverse()) each.release();
    const last = texts.map((text) => kept.keep(text));
    expect(later.map((each) => each.text)).toEqual(texts);
    expect(last.map((each) => each.text)).toEqual(texts);
  });

  it('use the memory of those that are gone', () => {
    const kept = new KeptTexts();
    const text = 'x'.repeat(1000);
    const round = () => {
      const held = Array.from({ length: 2000 }, () => kept.keep(text));
      for (const each of held) {
        expect(each.text).toBe(text);
        each.release();
        each.release();
      }
    };
    round();
    const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow');
    for (let i = 0; i < 20; i++) round();
    expect(allocated).not.toHaveBeenCalled();
    allocated.mockRestore();
  });

  it('may be longer than a slab', () => {
    const kept = new KeptTexts();
    const long = 'y'.repeat(600_000);
    const held = [kept.keep('a'), kept.keep(long), kept.keep('b')];
    expect(held.map((each) => each.text)).toEqual(['a', long, 'b']);
    for (const each of held) each.release();
    expect(kept.keep('c').text).toBe('c');
  });
});
