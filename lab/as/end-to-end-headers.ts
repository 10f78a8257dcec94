import { ParseFailure } from '#sip/errors';
import { formatNameAddr, parseNameAddr } from '#sip/header/name-addr';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import { Parameters, withoutParameter, withParameter } from '#sip/uri/parameters';

/** What each leg of a back-to-back user agent has of its own. */
const ofOneLeg: ReadonlySet<number> = new Set([
  Header.Via,
  Header.Route,
  Header['Record-Route'],
  Header.From,
  Header.To,
  Header['Call-ID'],
  Header.CSeq,
  Header.Contact,
  Header['Max-Forwards'],
  Header['Content-Length'],
  Header.RAck,
]);

/** Copies what passes a back-to-back user agent unchanged. Source: TS 24.229 5.7.5.2. */
export function copyEndToEnd(from: HeaderList, to: HeaderList): void {
  for (const line of from.lines) if (!ofOneLeg.has(line.id)) to.push(line);
}

/** A From or To value with this tag, or with none when it is ''; as it is where it cannot be read. */
export function withTag(value: string, tag: string): string {
  const address = parseNameAddr(value);
  if (address instanceof ParseFailure) return value;
  const { raw } = address.parameters;
  const parameters = new Parameters(tag === '' ? withoutParameter(raw, 'tag') : withParameter(raw, 'tag', tag));
  return formatNameAddr({ ...address, parameters, bracketed: true });
}

/** A Contact that leads to us and says of the user agent what the other leg's said. */
export function contactOfLeg(uri: string, other: string | null): string {
  const address = other === null ? null : parseNameAddr(other);
  return address === null || address instanceof ParseFailure ? `<${uri}>` : `<${uri}>${address.parameters.raw}`;
}
