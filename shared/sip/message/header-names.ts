/**
 * Header field names the suite knows by number: comparing numbers is cheap, and every spelling (compact, any case)
 * of one header has the same number. Unknown names keep number 0 and are compared by text.
 *
 * Source: RFC 3261 7.3.3 (compact forms), 20; IANA SIP parameters.
 */
const spellings = [
  ['Via', 'v'],
  ['From', 'f'],
  ['To', 't'],
  ['Call-ID', 'i'],
  ['CSeq'],
  ['Max-Forwards'],
  ['Contact', 'm'],
  ['Route'],
  ['Record-Route'],
  ['Content-Length', 'l'],
  ['Content-Type', 'c'],
  ['Content-Encoding', 'e'],
  ['Content-Disposition'],
  ['Expires'],
  ['Min-Expires'],
  ['Authorization'],
  ['WWW-Authenticate'],
  ['Proxy-Authorization'],
  ['Proxy-Authenticate'],
  ['Authentication-Info'],
  ['Require'],
  ['Proxy-Require'],
  ['Supported', 'k'],
  ['Unsupported'],
  ['Allow'],
  ['Allow-Events', 'u'],
  ['Accept'],
  ['Event', 'o'],
  ['Subscription-State'],
  ['Path'],
  ['Service-Route'],
  ['P-Asserted-Identity'],
  ['P-Preferred-Identity'],
  ['P-Associated-URI'],
  ['P-Called-Party-ID'],
  ['P-Served-User'],
  ['P-Visited-Network-ID'],
  ['P-Access-Network-Info'],
  ['P-Charging-Vector'],
  ['P-Charging-Function-Addresses'],
  ['P-User-Database'],
  ['P-Profile-Key'],
  ['P-Asserted-Service'],
  ['P-Preferred-Service'],
  ['P-Private-Network-Indication'],
  ['P-Early-Media'],
  ['Feature-Caps'],
  ['Relayed-Charge'],
  ['Response-Source'],
  ['Security-Client'],
  ['Security-Server'],
  ['Security-Verify'],
  ['Privacy'],
  ['Reason'],
  ['Warning'],
  ['Retry-After'],
  ['Session-Expires', 'x'],
  ['Min-SE'],
  ['RSeq'],
  ['RAck'],
  ['Server'],
  ['User-Agent'],
  ['Subject', 's'],
  ['Refer-To', 'r'],
  ['Referred-By', 'b'],
  ['Request-Disposition', 'd'],
  ['Accept-Contact', 'a'],
  ['Reject-Contact', 'j'],
  ['Identity', 'y'],
  ['Max-Breadth'],
  ['Date'],
  ['Timestamp'],
  ['Organization'],
  ['MIME-Version'],
  ['Reply-To'],
  ['Accept-Encoding'],
  ['Accept-Language'],
  ['Content-Language'],
  ['History-Info'],
  ['Geolocation'],
  ['Replaces'],
  ['Join'],
  ['Session-ID'],
  ['Recv-Info'],
  ['Info-Package'],
  ['Flow-Timer'],
] as const;

type Canonical = (typeof spellings)[number][0];

/** `Header['P-Asserted-Identity']`: the number of a known header. */
export const Header = Object.freeze(
  Object.assign(Object.create(null), Object.fromEntries(spellings.map(([name], i) => [name, i + 1]))),
) as { readonly [Name in Canonical]: number };

const canonical: readonly string[] = ['', ...spellings.map(([name]) => name)];

/** The usual spelling of a known header (`P-Asserted-Identity`), empty for 0. */
export function headerName(id: number): string {
  return canonical[id] ?? '';
}

const tableSize = 1024;
const slots: (readonly [spelling: string, id: number][])[] = Array.from({ length: tableSize }, () => []);
for (const [i, names] of spellings.entries()) {
  for (const name of names) {
    const lower = name.toLowerCase();
    const slot = slotOf(
      lower.length,
      lower.charCodeAt(0),
      lower.charCodeAt(lower.length - 1),
      lower.charCodeAt(lower.length >> 1),
    );
    (slots[slot] as [string, number][]).push([lower, i + 1]);
  }
}

function slotOf(length: number, first: number, last: number, middle: number): number {
  return (length * 37 + first * 7 + last * 131 + middle * 17) & (tableSize - 1);
}

/**
 * Number of the header whose name stands at [start, end) of a text, in any case and form; 0 when it is not known.
 * Allocates nothing.
 */
export function headerId(text: string, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return 0;
  const slot = slotOf(
    length,
    text.charCodeAt(start) | 0x20,
    text.charCodeAt(end - 1) | 0x20,
    text.charCodeAt(start + (length >> 1)) | 0x20,
  );
  const entries = slots[slot]!;
  for (let e = 0; e < entries.length; e++) {
    const [spelling, id] = entries[e]!;
    if (spelling.length !== length) continue;
    let i = 0;
    while (i < length && lowerCode(text.charCodeAt(start + i)) === spelling.charCodeAt(i)) i++;
    if (i === length) return id;
  }
  return 0;
}

function lowerCode(code: number): number {
  return code >= 65 && code <= 90 ? code | 0x20 : code;
}

/**
 * Headers whose values are not comma-joined: each line is one value.
 * Source: RFC 3261 7.3.1 (credentials and challenges), 20; RFC 7315 (P-Charging-Vector carries generic parameters).
 */
const singleValued = new Set<number>([
  Header.From,
  Header.To,
  Header['Call-ID'],
  Header.CSeq,
  Header['Max-Forwards'],
  Header['Content-Length'],
  Header['Content-Type'],
  Header.Expires,
  Header['Min-Expires'],
  Header.Authorization,
  Header['WWW-Authenticate'],
  Header['Proxy-Authorization'],
  Header['Proxy-Authenticate'],
  Header.Event,
  Header['Subscription-State'],
  Header.Date,
  Header.Subject,
  Header.Server,
  Header['User-Agent'],
  Header['Session-Expires'],
  Header['Min-SE'],
  Header.RSeq,
  Header.RAck,
  Header['Retry-After'],
  Header['P-Called-Party-ID'],
  Header['P-Served-User'],
  Header['P-Charging-Vector'],
  Header['P-Profile-Key'],
  Header['P-User-Database'],
  Header['Refer-To'],
  Header['Referred-By'],
  Header['Max-Breadth'],
  Header['Session-ID'],
]);

/** Whether several values of this header may share a line, separated by commas. */
export function isListHeader(id: number): boolean {
  return !singleValued.has(id);
}
