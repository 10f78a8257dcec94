import { ParseFailure } from '#sip/errors';
import type { XmlElement } from './xml.ts';

const MAX_WARNINGS = 20;

/** What is known while a profile is read: what was mended, and the first reason to give up. */
export class ProfileReading {
  readonly octets: Buffer;
  /** What was mended or left out on the way, in words for the operator; at most 20. */
  readonly warnings: string[] = [];
  failure: ParseFailure | null = null;

  constructor(octets: Buffer) {
    this.octets = octets;
  }

  warn(text: string): void {
    if (this.warnings.length < MAX_WARNINGS) this.warnings.push(text);
  }

  /** Gives up at an element; what the first one says stays. */
  fail(reason: string, element: XmlElement): void {
    this.failure ??= new ParseFailure(reason, element.start);
  }
}
