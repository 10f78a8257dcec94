import { withParameter } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { type HeaderList, lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';

/**
 * Says in the credentials of a REGISTER whether it came by a security association. What the UE said of that is gone
 * already; credentials that are not there are not made up.
 *
 * Source: TS 24.229 5.2.2.1, 5.2.2.3; requirements P-17, P-42, X-I3.
 */
export function claimIntegrity(headers: HeaderList, claim: 'yes' | 'no'): void {
  if (!headers.has(Header.Authorization)) return;
  const values: string[] = [];
  for (const line of headers.lines) {
    if (line.id !== Header.Authorization) continue;
    const claimed = withParameter(lineValue(line), 'integrity-protected', claim, true);
    if (!(claimed instanceof ParseFailure)) values.push(claimed);
  }
  headers.remove(Header.Authorization);
  for (const value of values) headers.append(Header.Authorization, value);
}
