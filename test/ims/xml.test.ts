import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { childOf, escapeXml, readXml, type XmlElement, xmlLimits } from '#ims/xml';
import { ParseFailure } from '#sip/errors';
import { quickest } from '../torture/quickest.ts';

function read(text: string): XmlElement {
  const result = readXml(Buffer.from(text, 'utf8'));
  if (result instanceof ParseFailure) throw new Error(`${result.reason} at ${result.offset}`);
  return result;
}

function refusal(text: string | Buffer): string {
  const result = readXml(typeof text === 'string' ? Buffer.from(text, 'utf8') : text);
  return result instanceof ParseFailure ? result.reason : 'read';
}

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

describe('the XML reader', () => {
  it('S-23 reads elements, text, attributes, CDATA, comments and instructions', () => {
    const root = read(
      ' \r\n<?xml version="1.0" encoding="UTF-8"?><!-- <x> --><a one="1" x:two = \'&lt;2"\'>t<b/>e<!-- - --><![CDATA[<&x]]><c >x</c\n>t<?pi?></a>\n\0\0',
    );
    expect(root.name).toBe('a');
    expect(root.text).toBe('te<&xt');
    expect(root.children.map((child) => [child.name, child.text])).toEqual([
      ['b', ''],
      ['c', 'x'],
    ]);
    expect([...root.attributes]).toEqual([
      ['one', '1'],
      ['x:two', '<2"'],
    ]);
    expect(childOf(root, 'c')?.text).toBe('x');
    expect(childOf(root, 'd')).toBeNull();
  });

  it('S-23 takes a BOM, and ignores namespace prefixes', () => {
    const root = read('\ufeff<ims:A xmlns:ims="urn:x"><ims:B>1</ims:B></ims:A>');
    expect(root.name).toBe('A');
    expect(root.children[0]?.name).toBe('B');
  });

  it('X-S15 gives UTF-8 octets as latin1 characters, those of character references too', () => {
    expect(read('<a>Zo\u00eb &#235; &#x20AC; &#x1F600; &amp;</a>').text).toBe(
      latin1('Zo\u00eb \u00eb \u20ac \u{1f600} &'),
    );
  });

  it.each([
    ['', 'no root element'],
    ['   ', 'no root element'],
    ['text', 'text outside the root element'],
    ['<a></a>text', 'text outside the root element'],
    ['<a/><b/>', 'second root element'],
    ['<a>', 'element a does not end'],
    ['<a></b>', 'end tag does not match a'],
    ['<x:a></y:a>', 'end tag does not match x:a'],
    ['<a></a', 'end tag without start'],
    ['</a>', 'end tag without start'],
    ['<', 'element name expected'],
    ['< a/>', 'element name expected'],
    ['<a', 'malformed tag'],
    ['<a b></a>', 'malformed attribute'],
    ['<a b=c></a>', 'malformed attribute'],
    ['<a b="c></a>', 'attribute does not end'],
    ['<a b="1"c="2"/>', 'malformed tag'],
    ['<a><!-- </a>', 'comment does not end'],
    ['<a><![CDATA[ </a>', 'CDATA does not end'],
    ['<?xml', 'processing instruction does not end'],
    ['<a>&nbsp;</a>', 'unknown entity refused'],
    ['<a>&__proto__;</a>', 'unknown entity refused'],
    ['<a>&amp</a>', 'entity does not end'],
    ['<a>& b</a>', 'entity does not end'],
    ['<a>&#0;</a>', 'unknown entity refused'],
    ['<a>&#;</a>', 'unknown entity refused'],
    ['<a>&#xD800;</a>', 'unknown entity refused'],
    ['<a>&#x110000;</a>', 'unknown entity refused'],
    ['<a>&#12a;</a>', 'unknown entity refused'],
    ['<a>&#99999999999999;</a>', 'entity does not end'],
    ['<!DOCTYPE a><a/>', 'DOCTYPE or unknown markup refused'],
    ['<a><!DOCTYPE a></a>', 'DOCTYPE or unknown markup refused'],
    ['<![CDATA[x]]><a/>', 'DOCTYPE or unknown markup refused'],
  ])('X-D9 refuses %j', (text, reason) => {
    expect(refusal(text)).toBe(reason);
  });

  it('X-D9 refuses an entity bomb before it counts anything', () => {
    let bomb = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">';
    for (let i = 1; i < 10; i++) bomb += `<!ENTITY lol${i} "${`&lol${i - 1};`.repeat(10)}">`;
    expect(refusal(`${bomb}]><lolz>&lol9;</lolz>`)).toBe('DOCTYPE or unknown markup refused');
    expect(refusal('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>&x;</a>')).toBe('DOCTYPE or unknown markup refused');
  });

  it('X-D9 stops at its limits', () => {
    expect(refusal('<a>'.repeat(100_000))).toBe('elements nested too deeply');
    expect(refusal(`${'<a>'.repeat(32)}${'</a>'.repeat(32)}`)).toBe('read');
    expect(refusal(`${'<a>'.repeat(33)}${'</a>'.repeat(33)}`)).toBe('elements nested too deeply');
    expect(refusal(`<a>${'<b/>'.repeat(xmlLimits.elements)}</a>`)).toBe('too many elements');
    expect(refusal(`<a ${Array.from({ length: 65 }, (_, i) => `b${i}=""`).join(' ')}/>`)).toBe('too many attributes');
    expect(refusal(Buffer.alloc(10 * 1024 ** 2, 0x20))).toBe('XML document too large');
  });

  it('X-D9 refuses octets that are not UTF-8', () => {
    expect(refusal(Buffer.from('<a>\xff</a>', 'latin1'))).toBe('XML document is not UTF-8');
    expect(refusal(Buffer.from('\ufeff<a/>', 'utf16le'))).toBe('XML document is not UTF-8');
    expect(refusal(Buffer.from('<a/>', 'utf16le'))).not.toBe('read');
  });

  it('X-S14 has no trouble with names out of Object.prototype', () => {
    const root = read('<__proto__ constructor="1"><toString/></__proto__>');
    expect(root.name).toBe('__proto__');
    expect(root.attributes.get('constructor')).toBe('1');
    expect(root.attributes.get('toString')).toBeUndefined();
  });

  it('X-S13 takes no time over half a megabyte of one character', () => {
    const tookMs = quickest(1500, () => {
      for (const char of ['<', '>', '&', ' ', '/', '=', '"', '<a ', '<!--', '<![CDATA[', '&#', 'a="', '<?']) {
        const body = char.repeat(Math.floor(500_000 / char.length));
        refusal(body);
        refusal(`<a>${body}</a>`);
        refusal(`<a ${body}`);
      }
    });
    expect(tookMs).toBeLessThan(1500);
  });

  it('X-D9 reads a document of tens of thousands of small texts in a moment', () => {
    const tookMs = quickest(500, () => {
      expect(refusal(`<a>${'x<b/>'.repeat(49_000)}&amp;</a>`)).toBe('read');
      expect(refusal(`<a>${"<b c='d'/>".repeat(49_000)}&amp;</a>`)).toBe('read');
    });
    expect(tookMs).toBeLessThan(500);
  });

  it('X-D9 never throws, whatever arrives', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      ' ',
      '="',
      "'",
      '&amp;',
      '&',
      ';',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<a>',
      '</a>',
      '<?',
      '?>',
      '\u00e9',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        readXml(Buffer.from(`<a>${pieces.join('')}</a>`));
        readXml(Buffer.from(pieces.join('')));
      }),
      { numRuns: 3000 },
    );
  });

  it('S-60 writes text that reads back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const octets = latin1(text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, ''));
        const root = readXml(Buffer.from(`<a b="${escapeXml(octets)}">${escapeXml(octets)}</a>`, 'latin1'));
        if (root instanceof ParseFailure) throw new Error(root.reason);
        expect(root.text).toBe(octets);
        expect(root.attributes.get('b')).toBe(octets);
      }),
    );
    expect(escapeXml('<a b="\'&\x00\x07')).toBe('&lt;a b=&quot;&apos;&amp;');
  });
});
