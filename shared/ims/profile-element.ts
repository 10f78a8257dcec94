import { childOf, type XmlElement } from './xml.ts';

const HIGHEST_NUMBER = 0x7fffffff;

/** A child of that name, directly or within Extension elements at any depth (the reader caps the depth). */
export function extended(element: XmlElement, name: string): XmlElement | null {
  const direct = childOf(element, name);
  if (direct !== null) return direct;
  for (const child of element.children) {
    if (child.name !== 'Extension') continue;
    const found = extended(child, name);
    if (found !== null) return found;
  }
  return null;
}

/** The numbers in all children of that name, those within Extension elements too. */
export function collectNumbers(element: XmlElement, name: string, into: number[]): void {
  for (const child of element.children) {
    if (child.name === name) pushNumber(child, into);
    else if (child.name === 'Extension') collectNumbers(child, name, into);
  }
}

/** The number of an element, if it is one. */
export function pushNumber(element: XmlElement, into: number[]): void {
  const number = numberOf(element);
  if (number !== null) into.push(number);
}

/** The text of a child without the blanks around it, '' when there is none. */
export function textOf(element: XmlElement, name: string): string {
  return trim(childOf(element, name)?.text ?? '');
}

/** As `textOf`, for a child that `extended` finds. */
export function textOfExtended(element: XmlElement, name: string): string {
  return trim(extended(element, name)?.text ?? '');
}

/** A boolean: 1 and true in any case say yes, anything else no. */
export function flagOf(element: XmlElement | null): boolean {
  const text = trim(element?.text ?? '');
  return text === '1' || text.toLowerCase() === 'true';
}

/** An element that says yes by being there, unless it says no. */
export function presenceOf(element: XmlElement | null): boolean {
  if (element === null) return false;
  const text = trim(element.text).toLowerCase();
  return text !== '0' && text !== 'false';
}

/** A whole number from 0 to 2^31-1; null for anything else. */
export function numberOf(element: XmlElement | null): number | null {
  const text = trim(element?.text ?? '');
  if (text === '' || text.length > 10) return null;
  let number = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    number = number * 10 + digit;
  }
  return number <= HIGHEST_NUMBER ? number : null;
}

/** Without the blanks of XML around it; octets above 127 are never blanks here, as they are for String.trim. */
export function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start++;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--;
  return text.slice(start, end);
}
