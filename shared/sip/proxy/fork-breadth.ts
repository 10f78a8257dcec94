import { ParseFailure } from '../errors.ts';
import { defaultMaxBreadth, parseMaxBreadth } from '../header/max-breadth.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';

/**
 * How many branches a request may still be split into: what its Max-Breadth says, 60 at most and 60 without one.
 *
 * A value that is no positive number is a ParseFailure. Source: RFC 5393 5.3.1, 5.3.3; requirement C-36.
 */
export function breadthOf(request: SipRequest): number | ParseFailure {
  const value = request.headers.get(Header['Max-Breadth']);
  if (value === null) return defaultMaxBreadth;
  const breadth = parseMaxBreadth(value);
  if (breadth instanceof ParseFailure) return new ParseFailure(`Max-Breadth: ${breadth.reason}`);
  return breadth === 0 ? new ParseFailure('Max-Breadth is zero') : Math.min(breadth, defaultMaxBreadth);
}

/** The share of branch `index` of `branches` that are open at once; together they have no more than `breadth`. */
export function breadthShare(breadth: number, branches: number, index: number): number {
  return Math.floor(breadth / branches) + (index < breadth % branches ? 1 : 0);
}
