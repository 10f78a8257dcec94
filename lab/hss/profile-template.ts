import { readFileSync } from 'node:fs';

/** One identity as a profile shows it; left out: what the template says. */
export interface ProfileIdentity {
  readonly text: string;
  readonly barred?: boolean | undefined;
  readonly displayName?: string | undefined;
  readonly aliasGroup?: string | undefined;
  /** A public service identity. */
  readonly service?: boolean | undefined;
}

/** A user profile with places for a subscriber's identities. */
export interface ProfileTemplate {
  /** The whole XML for one subscriber; `more`: further ServiceProfile elements for it. */
  render(impi: string, identities: readonly ProfileIdentity[], more?: readonly string[]): Buffer;
  /** Only the ServiceProfile elements, for a profile that another template begins. */
  renderServiceProfiles(impi: string, identities: readonly ProfileIdentity[]): string;
  /** Whether the repeated identities are barred. */
  readonly barred: boolean;
  /** Whether some service is for users who are not registered. Source: TS 29.228 6.1.4, B.2.2. */
  readonly unregisteredServices: boolean;
}

/** What is wrong with a template, in words for whoever wrote it. */
export class ProfileTemplateError extends Error {
  readonly code = 'ERR_LAB_PROFILE';
}

const OPEN = '<PublicIdentity>';
const CLOSE = '</PublicIdentity>';
const OPEN_SERVICE = '<ServiceProfile>';
const CLOSE_SERVICE = '</ServiceProfile>';
const IMPI = `\${IMPI}`;
const IMPU = `\${IMPU}`;

/**
 * Reads a profile template. `${IMPI}` becomes the private identity; the PublicIdentity element with `${IMPU}` in it is
 * repeated for every public identity. Comments are left out. Throws ProfileTemplateError when there is no such element.
 */
export function parseProfileTemplate(text: string): ProfileTemplate {
  const xml = withoutComments(text).trim();
  const place = xml.indexOf(IMPU);
  const start = place < 0 ? -1 : xml.lastIndexOf(OPEN, place);
  const end = place < 0 ? -1 : xml.indexOf(CLOSE, place);
  if (start < 0 || end < 0 || xml.lastIndexOf(CLOSE, place) > start) {
    throw new ProfileTemplateError(`no ${OPEN} element has \${IMPU} in it; config/profiles/default.xml shows how`);
  }
  const before = xml.slice(0, start);
  const element = xml.slice(start, end + CLOSE.length);
  const after = xml.slice(end + CLOSE.length);
  const barred = /<BarringIndication>\s*(?:1|true)\s*</.test(element);
  const fill = (text: string, impi: string) => text.replaceAll(IMPI, () => escapeXml(impi));
  const elements = (identities: readonly ProfileIdentity[]) =>
    identities.map((identity) => renderIdentity(element, barred, identity)).join('');
  // What belongs to the service profiles: from the first one's start to the last one's end.
  const opened = before.indexOf(OPEN_SERVICE);
  const closed = after.lastIndexOf(CLOSE_SERVICE);
  return {
    barred,
    unregisteredServices:
      /<ProfilePartIndicator>\s*1\s*</.test(xml) || /<SessionCase>\s*[23]\s*</.test(xml) || hasFilterForAll(xml),
    render(impi, identities, more = []) {
      if (more.length === 0 || closed < 0) return Buffer.from(fill(before + elements(identities) + after, impi));
      const split = closed + CLOSE_SERVICE.length;
      const first = fill(before + elements(identities) + after.slice(0, split), impi);
      return Buffer.from(first + more.join('') + fill(after.slice(split), impi));
    },
    renderServiceProfiles(impi, identities) {
      if (opened < 0 || closed < 0) return '';
      const end = after.slice(0, closed + CLOSE_SERVICE.length);
      return fill(before.slice(opened) + elements(identities) + end, impi);
    },
  };
}

/** Whether a text is a template; else it is a profile as it is. */
export function hasIdentityPlace(text: string): boolean {
  return text.includes(IMPU);
}

/**
 * The PublicIdentity element of one identity: the template's, or where the identity has particulars one made anew.
 * Source: TS 29.228 B.2.1.1, annex E.
 */
function renderIdentity(element: string, barred: boolean, identity: ProfileIdentity): string {
  const { aliasGroup, displayName, service = false, text } = identity;
  const wildcard = text.includes('!');
  const isBarred = identity.barred ?? barred;
  const own = isBarred !== barred || aliasGroup !== undefined || displayName !== undefined;
  if (!own && !service && !wildcard) return element.replaceAll(IMPU, () => escapeXml(text));
  const tag = (name: string, content: string) => `<${name}>${content}</${name}>`;
  const type = wildcard ? (service ? 2 : 4) : service ? 1 : 0;
  const wildcardedImpu = wildcard && !service ? tag('Extension', tag('WildcardedIMPU', escapeXml(text))) : '';
  const name = displayName === undefined ? '' : tag('DisplayName', escapeXml(displayName));
  const group = aliasGroup === undefined ? '' : tag('AliasIdentityGroupID', escapeXml(aliasGroup));
  const inner = name + group + wildcardedImpu;
  const extension =
    tag('IdentityType', String(type)) +
    (wildcard && service ? tag('WildcardedPSI', escapeXml(text)) : '') +
    (inner === '' ? '' : tag('Extension', inner));
  const content =
    tag('BarringIndication', isBarred ? '1' : '0') + tag('Identity', escapeXml(text)) + tag('Extension', extension);
  return tag('PublicIdentity', content);
}

/** Reads a template from its file; throws ProfileTemplateError that names the file. */
export function readProfileTemplate(file: string): ProfileTemplate {
  try {
    return parseProfileTemplate(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new ProfileTemplateError(`${file}: ${(cause as Error).message}`, { cause });
  }
}

/** A filter without trigger point and profile part is for everyone. */
function hasFilterForAll(xml: string): boolean {
  return xml
    .split('<InitialFilterCriteria>')
    .slice(1)
    .some((filter) => {
      const own = filter.slice(0, filter.indexOf('</InitialFilterCriteria>'));
      return !own.includes('<TriggerPoint>') && !own.includes('<ProfilePartIndicator>');
    });
}

function withoutComments(text: string): string {
  let out = '';
  let at = 0;
  for (;;) {
    const open = text.indexOf('<!--', at);
    if (open < 0) return out + text.slice(at);
    out += text.slice(at, open);
    const close = text.indexOf('-->', open);
    if (close < 0) return out;
    at = close + 3;
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
