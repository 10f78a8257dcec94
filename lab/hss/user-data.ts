import { hasIdentityPlace, type ProfileTemplate, parseProfileTemplate } from './profile-template.ts';
import type { PushedData } from './subscriber-state.ts';
import type { PublicIdentity, Subscription } from './subscriber-table.ts';

/**
 * User-Data for one implicit set: a service profile for each template that its identities use, in the order of the
 * identities, so that the default one comes first. A profile that was pushed stands for all. Source: TS 29.228 6.6, B.1.
 */
export function userDataOf(subscription: Subscription, set: number, impi: string, pushed: PushedData): Buffer {
  const { identities } = subscription.sets[set]!;
  if (pushed.profile !== undefined) {
    if (!hasIdentityPlace(pushed.profile)) return Buffer.from(pushed.profile);
    return parseProfileTemplate(pushed.profile).render(impi, identities);
  }
  const byTemplate = new Map<ProfileTemplate, PublicIdentity[]>();
  for (const identity of identities) {
    byTemplate.set(identity.profile, [...(byTemplate.get(identity.profile) ?? []), identity]);
  }
  const [first, ...rest] = byTemplate;
  if (first === undefined) throw new RangeError('an implicit set has at least one identity');
  const more = rest.map(([template, own]) => template.renderServiceProfiles(impi, own));
  return first[0].render(impi, first[1], more);
}
