import { readFileSync } from 'node:fs';

/** A user profile with places for a subscriber's identities. */
export interface ProfileTemplate {
  /** The XML for one subscriber. */
  render(impi: string, impus: readonly string[]): Buffer;
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
  const identity = xml.slice(start, end + CLOSE.length);
  const after = xml.slice(end + CLOSE.length);
  return {
    barred: /<BarringIndication>\s*(?:1|true)\s*</.test(identity),
    unregisteredServices:
      /<ProfilePartIndicator>\s*1\s*</.test(xml) || /<SessionCase>\s*[23]\s*</.test(xml) || hasFilterForAll(xml),
    render(impi, impus) {
      const name = escapeXml(impi);
      let out = before;
      for (const impu of impus) out += identity.replaceAll(IMPU, () => escapeXml(impu));
      return Buffer.from((out + after).replaceAll(IMPI, () => name));
    },
  };
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
