/*
 * Why not fast-xml-parser: it takes about seven times as long for the User-Data of a usual subscriber (28 us against 4 us),
 * it decodes names outside ASCII that we keep as octets, and the limits that matter to us (depth, size, no DOCTYPE, no
 * entities of the document's own) have to be watched around it anyway.
 */
import { isUtf8 } from 'node:buffer';
import { ParseFailure } from '#sip/errors';

/** One element. Texts are latin1 strings of the UTF-8 octets: one character, one octet. */
export interface XmlElement {
  /** Without its namespace prefix. */
  readonly name: string;
  /** All character data and CDATA directly within, entities resolved, blanks kept. */
  readonly text: string;
  readonly children: readonly XmlElement[];
  /** By name as written, prefix included. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Where it stands in the document, octets: that of its `<` and the one behind its last `>`. */
  readonly start: number;
  readonly end: number;
}

interface OpenElement {
  readonly name: string;
  readonly fullName: string;
  text: string;
  readonly children: XmlElement[];
  readonly attributes: ReadonlyMap<string, string>;
  readonly start: number;
  end: number;
}

/** Bounds of a document: octets, nesting, elements, attributes of one element. */
export const xmlLimits = Object.freeze({ octets: 512 * 1024, depth: 32, elements: 50_000, attributes: 64 });

const noAttributes: ReadonlyMap<string, string> = new Map();

/**
 * Reads a whole document: BOM, declaration, comments, processing instructions and CDATA are understood, namespaces ignored.
 * Refused, as a ParseFailure: DOCTYPE, entities other than the five predefined and numeric ones, octets that are not
 * UTF-8, ends that do not match, anything beyond `xmlLimits`. Blanks and NUL octets around the document are let pass.
 * Source: XML 1.0 (fifth edition); TS 29.228 annex E.
 */
export function readXml(octets: Buffer): XmlElement | ParseFailure {
  if (octets.length > xmlLimits.octets) return new ParseFailure('XML document too large', xmlLimits.octets);
  if (!isUtf8(octets)) return new ParseFailure('XML document is not UTF-8', notUtf8At(octets));
  const hasBom = octets.length >= 3 && octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf;
  return scanDocument(octets.toString('latin1'), hasBom ? 3 : 0);
}

/** The line, from 1, that an octet of a document stands in. */
export function lineOf(octets: Buffer, offset: number): number {
  let line = 1;
  for (let at = octets.indexOf(0x0a); at >= 0 && at < offset; at = octets.indexOf(0x0a, at + 1)) line++;
  return line;
}

/** First child of that name, null when there is none. */
export function childOf(element: XmlElement, name: string): XmlElement | null {
  for (const child of element.children) if (child.name === name) return child;
  return null;
}

/** Character data and attribute values made safe for XML. Takes and gives latin1 strings of UTF-8 octets. */
export function escapeXml(text: string): string {
  let escaped = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const replacement = escapeOf(text.charCodeAt(i));
    if (replacement === null) continue;
    escaped += text.slice(from, i) + replacement;
    from = i + 1;
  }
  return from === 0 ? text : escaped + text.slice(from);
}

function escapeOf(code: number): string | null {
  switch (code) {
    case 0x26:
      return '&amp;';
    case 0x3c:
      return '&lt;';
    case 0x3e:
      return '&gt;';
    case 0x22:
      return '&quot;';
    case 0x27:
      return '&apos;';
    case 0x09:
    case 0x0a:
    case 0x0d:
      return null;
    default:
      // XML 1.0 has no way to write the other control characters.
      return code < 0x20 ? '' : null;
  }
}

/** Start of the first line that is not UTF-8. */
function notUtf8At(octets: Buffer): number {
  let start = 0;
  for (;;) {
    const end = octets.indexOf(0x0a, start);
    if (end < 0 || !isUtf8(octets.subarray(start, end))) return start;
    start = end + 1;
  }
}

function scanDocument(text: string, from: number): XmlElement | ParseFailure {
  const open: OpenElement[] = [];
  let root: XmlElement | null = null;
  let elements = 0;
  let at = from;
  for (;;) {
    const next = text.indexOf('<', at);
    const dataEnd = next < 0 ? text.length : next;
    const parent = open.at(-1);
    if (parent === undefined) {
      if (!isPadding(text, at, dataEnd)) return new ParseFailure('text outside the root element', at);
    } else if (dataEnd > at) {
      const data = resolveEntities(text, at, dataEnd);
      if (data instanceof ParseFailure) return data;
      parent.text += data;
    }
    if (next < 0) break;
    const kind = text.charCodeAt(next + 1);
    if (kind === 0x3f) {
      const end = text.indexOf('?>', next + 2);
      if (end < 0) return new ParseFailure('processing instruction does not end', next);
      at = end + 2;
    } else if (kind === 0x21) {
      const end = scanMarkup(text, next, parent);
      if (end instanceof ParseFailure) return end;
      at = end;
    } else if (kind === 0x2f) {
      const end = text.indexOf('>', next);
      if (parent === undefined || end < 0) return new ParseFailure('end tag without start', next);
      const nameEnd = skipName(text, next + 2);
      if (text.slice(next + 2, nameEnd) !== parent.fullName || skipBlanks(text, nameEnd) !== end) {
        return new ParseFailure(`end tag does not match ${parent.fullName}`, next);
      }
      at = end + 1;
      parent.end = at;
      open.pop();
    } else {
      if (root !== null && open.length === 0) return new ParseFailure('second root element', next);
      if (++elements > xmlLimits.elements) return new ParseFailure('too many elements', next);
      if (open.length >= xmlLimits.depth) return new ParseFailure('elements nested too deeply', next);
      const nameEnd = skipName(text, next + 1);
      if (nameEnd === next + 1) return new ParseFailure('element name expected', next);
      const tag = scanAttributes(text, nameEnd);
      if (tag instanceof ParseFailure) return tag;
      const fullName = text.slice(next + 1, nameEnd);
      const element: OpenElement = {
        name: fullName.slice(fullName.indexOf(':') + 1),
        fullName,
        text: '',
        children: [],
        attributes: tag.attributes,
        start: next,
        end: tag.end,
      };
      if (parent === undefined) root = element;
      else parent.children.push(element);
      if (!tag.empty) open.push(element);
      at = tag.end;
    }
  }
  if (open.length > 0) return new ParseFailure(`element ${open.at(-1)?.fullName} does not end`, text.length);
  return root ?? new ParseFailure('no root element', text.length);
}

/** Comment or CDATA at `at`; gives the position behind it. */
function scanMarkup(text: string, at: number, parent: OpenElement | undefined): number | ParseFailure {
  if (text.startsWith('<!--', at)) {
    const end = text.indexOf('-->', at + 4);
    return end < 0 ? new ParseFailure('comment does not end', at) : end + 3;
  }
  if (text.startsWith('<![CDATA[', at) && parent !== undefined) {
    const end = text.indexOf(']]>', at + 9);
    if (end < 0) return new ParseFailure('CDATA does not end', at);
    parent.text += text.slice(at + 9, end);
    return end + 3;
  }
  return new ParseFailure('DOCTYPE or unknown markup refused', at);
}

interface Tag {
  readonly attributes: ReadonlyMap<string, string>;
  readonly empty: boolean;
  /** Behind the `>`. */
  readonly end: number;
}

function scanAttributes(text: string, from: number): Tag | ParseFailure {
  if (text.charCodeAt(from) === 0x3e) return { attributes: noAttributes, empty: false, end: from + 1 };
  let attributes: Map<string, string> | null = null;
  let at = from;
  for (;;) {
    const start = skipBlanks(text, at);
    const code = text.charCodeAt(start);
    if (code === 0x3e) return { attributes: attributes ?? noAttributes, empty: false, end: start + 1 };
    if (code === 0x2f && text.charCodeAt(start + 1) === 0x3e) {
      return { attributes: attributes ?? noAttributes, empty: true, end: start + 2 };
    }
    const nameEnd = skipName(text, start);
    if (nameEnd === start || start === at) return new ParseFailure('malformed tag', start);
    const equals = skipBlanks(text, nameEnd);
    const quote = skipBlanks(text, equals + 1);
    const mark = text.charAt(quote);
    if (text.charCodeAt(equals) !== 0x3d || (mark !== '"' && mark !== "'")) {
      return new ParseFailure('malformed attribute', start);
    }
    const end = text.indexOf(mark, quote + 1);
    if (end < 0) return new ParseFailure('attribute does not end', quote);
    const value = resolveEntities(text, quote + 1, end);
    if (value instanceof ParseFailure) return value;
    attributes ??= new Map();
    if (attributes.size === xmlLimits.attributes) return new ParseFailure('too many attributes', start);
    attributes.set(text.slice(start, nameEnd), value);
    at = end + 1;
  }
}

/** Text from `from` to `to` with its entities resolved. Cut out first: a search must not run through the whole document. */
function resolveEntities(text: string, from: number, to: number): string | ParseFailure {
  const raw = text.slice(from, to);
  let ampersand = raw.indexOf('&');
  if (ampersand < 0) return raw;
  let resolved = '';
  let at = 0;
  while (ampersand >= 0) {
    const end = raw.indexOf(';', ampersand);
    // The longest one we know is &#x10FFFF;
    if (end < 0 || end - ampersand > 10) return new ParseFailure('entity does not end', from + ampersand);
    const char = entity(raw.slice(ampersand + 1, end));
    if (char === null) return new ParseFailure('unknown entity refused', from + ampersand);
    resolved += raw.slice(at, ampersand) + char;
    at = end + 1;
    ampersand = raw.indexOf('&', at);
  }
  return resolved + raw.slice(at);
}

function entity(name: string): string | null {
  switch (name) {
    case 'amp':
      return '&';
    case 'lt':
      return '<';
    case 'gt':
      return '>';
    case 'quot':
      return '"';
    case 'apos':
      return "'";
    default:
      return name.charCodeAt(0) === 0x23 ? numericEntity(name) : null;
  }
}

/** UTF-8 octets of a character reference, null for what is no character of XML. */
function numericEntity(name: string): string | null {
  const hexadecimal = name.charCodeAt(1) === 0x78;
  const start = hexadecimal ? 2 : 1;
  let point = 0;
  for (let i = start; i < name.length; i++) {
    const digit = digitOf(name.charCodeAt(i));
    if (digit < 0 || (!hexadecimal && digit > 9)) return null;
    point = point * (hexadecimal ? 16 : 10) + digit;
  }
  if (start === name.length || !isXmlCharacter(point)) return null;
  return point < 0x80 ? String.fromCharCode(point) : Buffer.from(String.fromCodePoint(point)).toString('latin1');
}

function isXmlCharacter(point: number): boolean {
  if (point < 0x20) return point === 0x09 || point === 0x0a || point === 0x0d;
  return point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff) && point !== 0xfffe && point !== 0xffff;
}

function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Behind a name: tolerant, everything but blanks and the characters that end a name. */
function skipName(text: string, from: number): number {
  let i = from;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x3e || code === 0x2f || code === 0x3d || code === 0x3c) break;
    if (code === 0x22 || code === 0x27 || code === 0x26) break;
  }
  return i;
}

function skipBlanks(text: string, from: number): number {
  let i = from;
  while (i < text.length && isBlank(text.charCodeAt(i))) i++;
  return i;
}

function isPadding(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (!isBlank(code) && code !== 0) return false;
  }
  return true;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
