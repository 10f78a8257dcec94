import type { AccessNetworkInfo } from '#diameter/rx/rx-requests';

/** Geographic location types of 3GPP-User-Location-Info. Source: TS 29.061 16.4.7.2. */
const locationTypes = { CGI: 0, SAI: 1, TAI_AND_ECGI: 130, TAI_AND_NCGI: 137 } as const;

/** RAT-Types whose access class differs from that of the location. Source: TS 29.212 5.3.31. */
const ratClasses: ReadonlyMap<number, string> = new Map([
  [0, '3GPP-WLAN'],
  [1000, '3GPP-UTRAN'],
  [1001, '3GPP-GERAN'],
  [1004, '3GPP-E-UTRAN'],
  [1006, '3GPP-NR'],
]);

/**
 * Where the access network has a UE, as a value of P-Access-Network-Info that is `network-provided`; '' when it told
 * neither a cell that SIP can name nor a time zone. Source: TS 24.229 7.2A.4; RFC 7315 5.4; requirements P-77, P-127.
 */
export function networkProvidedAccess(
  { timeZone, userLocation }: AccessNetworkInfo,
  ratType: number | undefined,
): string {
  const cell = userLocation === undefined ? null : cellOf(userLocation);
  const zone = timeZone === undefined ? '' : zoneOf(timeZone);
  const access = cell?.access ?? ratClasses.get(ratType ?? -1);
  if (access === undefined || (cell === null && zone === '')) return '';
  return `${access}${cell === null ? '' : `;${cell.parameter}`}${zone};network-provided`;
}

interface Cell {
  readonly access: string;
  readonly parameter: string;
}

function cellOf(octets: Buffer): Cell | null {
  const hex = (from: number, to: number) => octets.toString('hex', from, to);
  switch (octets[0]) {
    case locationTypes.CGI:
      if (octets.length < 8) return null;
      return { access: '3GPP-GERAN', parameter: `cgi-3gpp=${plmnOf(octets, 1)}${hex(4, 8)}` };
    case locationTypes.SAI:
      if (octets.length < 8) return null;
      return { access: '3GPP-UTRAN', parameter: `utran-sai-3gpp=${plmnOf(octets, 1)}${hex(4, 8)}` };
    case locationTypes.TAI_AND_ECGI:
      if (octets.length < 13) return null;
      // The cell identity has 28 bits behind four that are spare.
      return { access: '3GPP-E-UTRAN', parameter: utran(plmnOf(octets, 1), hex(4, 6), hex(9, 13).slice(1)) };
    case locationTypes.TAI_AND_NCGI:
      if (octets.length < 15) return null;
      return { access: '3GPP-NR', parameter: utran(plmnOf(octets, 1), hex(4, 7), hex(10, 15).slice(1)) };
    default:
      return null;
  }
}

function utran(plmn: string, area: string, cell: string): string {
  return `utran-cell-id-3gpp=${plmn}${area}${cell}`;
}

/** MCC and MNC of three octets, digit by digit; an MNC of two digits has F as its third. Source: TS 24.008 10.5.1.3. */
function plmnOf(octets: Buffer, at: number): string {
  const digits = octets.toString('hex', at, at + 3);
  const [mcc2, mcc1, mnc3, mcc3, mnc2, mnc1] = digits as unknown as string[];
  return `${mcc1}${mcc2}${mcc3}${mnc1}${mnc2}${mnc3 === 'f' ? '' : mnc3}`;
}

/** Quarters of an hour from UTC, low digit first and with the sign in bit 4; then daylight saving. Source: TS 29.061 16.4.7.2. */
function zoneOf(octets: Buffer): string {
  if (octets.length < 2) return '';
  const [zone, saving] = octets as unknown as [number, number];
  const quarters = (zone & 0x07) * 10 + (zone >> 4);
  if (zone >> 4 > 9 || quarters > 56) return '';
  const two = (value: number) => String(value).padStart(2, '0');
  const sign = (zone & 0x08) === 0 ? '+' : '-';
  const text = `UTC${sign}${two(Math.floor(quarters / 4))}:${two((quarters % 4) * 15)}`;
  return `;local-time-zone="${text}";daylight-saving-time="${two(saving & 0x03)}"`;
}
