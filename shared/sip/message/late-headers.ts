import { Header } from './header-names.ts';

/** Header fields of a received INVITE that a late 2xx may still need: 1 at their numbers. */
export const neededOfReceived = marked(
  Header.Via,
  Header['Record-Route'],
  Header.From,
  Header.To,
  Header['Call-ID'],
  Header.CSeq,
  Header.Contact,
  Header.Supported,
  Header.Require,
  Header.Privacy,
  Header['Session-Expires'],
  Header['P-Asserted-Identity'],
  Header['P-Called-Party-ID'],
  Header['P-Charging-Vector'],
);

/** Of the same INVITE as it was sent on: what its answer is compared with. */
export const neededOfSent = marked(Header.Via, Header['Record-Route']);

function marked(...ids: number[]): Uint8Array {
  const marks = new Uint8Array(128);
  for (const id of ids) marks[id] = 1;
  return marks;
}
