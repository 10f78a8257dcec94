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
  ['Target-Dialog'],
  ['Error-Info'],
  ['Alert-Info'],
  ['Call-Info'],
  ['User-to-User'],
  ['Resource-Priority'],
  ['Restoration-Info'],
  ['Attestation-Info'],
  ['Origination-Id'],
  ['Service-Interact-Info'],
  ['Priority-Verstat'],
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

/** Open-addressed table of all spellings by the hash of their lower-case letters. */
const tableSize = 1024;
const tableHash = new Int32Array(tableSize);
const tableId = new Uint8Array(tableSize);
const tableSpelling: string[] = new Array(tableSize).fill('');
for (const [i, names] of spellings.entries()) {
  for (const name of names) {
    const lower = name.toLowerCase();
    let hash = 0;
    for (let k = 0; k < lower.length; k++) hash = nameHash(hash, lower.charCodeAt(k));
    let slot = hash & (tableSize - 1);
    while (tableId[slot] !== 0) slot = (slot + 1) & (tableSize - 1);
    tableHash[slot] = hash;
    tableId[slot] = i + 1;
    tableSpelling[slot] = lower;
  }
}

/** Takes one more character of a name into its hash; start with 0. Case does not matter. */
export function nameHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + (code | 0x20)) | 0;
}

/**
 * Number of the header whose name stands at [start, end) of a text and has this hash; 0 when it is not known. The name
 * is a token, so a character that equals a letter or hyphen but for bit 0x20 is that letter or hyphen.
 */
export function headerIdByHash(text: string, start: number, end: number, hash: number): number {
  let slot = hash & (tableSize - 1);
  for (;;) {
    const id = tableId[slot]!;
    if (id === 0) return 0;
    if (tableHash[slot] === hash) {
      const spelling = tableSpelling[slot]!;
      let i = spelling.length === end - start ? 0 : -1;
      while (i >= 0 && i < spelling.length)
        i = (text.charCodeAt(start + i) | 0x20) === spelling.charCodeAt(i) ? i + 1 : -1;
      if (i >= 0) return id;
    }
    slot = (slot + 1) & (tableSize - 1);
  }
}

/** Number of the header with this name, in any case and form; 0 when it is not known. */
export function headerId(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code <= 32) return 0;
    hash = nameHash(hash, code);
  }
  return headerIdByHash(name, 0, name.length, hash);
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
  Header['Authentication-Info'],
  Header['Content-Disposition'],
  Header.Replaces,
  Header['Target-Dialog'],
]);

/** Whether several values of this header may share a line, separated by commas. */
export function isListHeader(id: number): boolean {
  return !singleValued.has(id);
}
