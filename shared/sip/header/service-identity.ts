import { matchesAt, skipClass, tokenClass } from '#sip/uri/characters';
import { parseOptionTags } from './option-tags.ts';

const serviceUrn = 'urn:urn-7:';

/**
 * The services of P-Asserted-Service or P-Preferred-Service in order (`urn:urn-7:3gpp-service.ims.icsi.mmtel`), spelt as
 * received; what is no service URN is left out.
 *
 * Source: RFC 6050 4.1, 8.2; requirements S-94, S-111.
 */
export function parseServiceIdentities(values: readonly string[]): string[] {
  return parseOptionTags(values).filter(isServiceUrn);
}

/** Writes a P-Asserted-Service or P-Preferred-Service. */
export function formatServiceIdentities(services: readonly string[]): string {
  return services.join(', ');
}

/** Whether a text is `urn:urn-7:` and labels with dots between them. */
function isServiceUrn(text: string): boolean {
  const end = text.length;
  return (
    end > serviceUrn.length &&
    matchesAt(text, 0, serviceUrn) &&
    skipClass(text, serviceUrn.length, end, tokenClass) === end
  );
}
