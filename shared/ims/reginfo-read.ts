import { ParseFailure } from '#sip/errors';
import { parseQ } from '#sip/header/contact';
import { maxDeltaSeconds, parseClipped } from '#sip/header/number-value';
import {
  type ContactEvent,
  contactEvents,
  type RegInfo,
  type RegInfoContact,
  type RegInfoRegistration,
} from './reginfo.ts';
import { childOf, readXml, type XmlElement } from './xml.ts';

/** Identities, and contacts of one identity, that are read of a document. */
const maxItems = 1024;

/**
 * Reads a document of the reg event package. Namespaces, order and unknown elements do not matter; what lacks its id,
 * its state or its URI is a ParseFailure, and so is a document without a version.
 *
 * Source: RFC 3680 5, RFC 5628 5, TS 24.229 7.10.2; requirements S-63, P-62.
 */
export function readRegInfo(octets: Buffer): RegInfo | ParseFailure {
  const root = readXml(octets);
  if (root instanceof ParseFailure) return root;
  if (root.name !== 'reginfo') return new ParseFailure('root element is not reginfo');
  const version = numberOf(root, 'version');
  const state = root.attributes.get('state');
  if (version < 0) return new ParseFailure('reginfo without version');
  if (state !== 'full' && state !== 'partial') return new ParseFailure('reginfo without state');
  const registrations = readAll(root, 'registration', readRegistration);
  return registrations instanceof ParseFailure ? registrations : { version, state, registrations };
}

function readRegistration(element: XmlElement): RegInfoRegistration | ParseFailure {
  const { attributes } = element;
  const aor = attributes.get('aor') ?? '';
  const id = attributes.get('id') ?? '';
  const state = attributes.get('state');
  if (aor === '' || id === '') return new ParseFailure('registration without aor or id');
  if (state !== 'init' && state !== 'active' && state !== 'terminated') {
    return new ParseFailure('registration without state');
  }
  const contacts = readAll(element, 'contact', readContact);
  if (contacts instanceof ParseFailure) return contacts;
  return { aor, id, state, wildcard: textOf(element, 'wildcardedIdentity'), contacts };
}

function readContact(element: XmlElement): RegInfoContact | ParseFailure {
  const { attributes } = element;
  const id = attributes.get('id') ?? '';
  const state = attributes.get('state');
  const event = attributes.get('event') ?? '';
  const uri = textOf(element, 'uri');
  if (id === '' || uri === '') return new ParseFailure('contact without id or uri');
  if (state !== 'active' && state !== 'terminated') return new ParseFailure('contact without state');
  if (!isContactEvent(event)) return new ParseFailure('contact without event');
  const temporary = childOf(element, 'temp-gruu');
  return {
    id,
    state,
    event,
    uri,
    displayName: textOf(element, 'display-name'),
    durationRegistered: numberOf(element, 'duration-registered'),
    expires: numberOf(element, 'expires'),
    retryAfter: numberOf(element, 'retry-after'),
    q: parseQ(attributes.get('q') ?? ''),
    callId: attributes.get('callid') ?? '',
    cseq: numberOf(element, 'cseq'),
    parameters: element.children
      .filter(({ name }) => name === 'unknown-param')
      .map((child) => ({ name: child.attributes.get('name') ?? '', value: child.text.trim() })),
    publicGruu: childOf(element, 'pub-gruu')?.attributes.get('uri') ?? '',
    temporaryGruu: temporary?.attributes.get('uri') ?? '',
    firstCseq: temporary === null ? -1 : numberOf(temporary, 'first-cseq'),
  };
}

function readAll<T>(
  parent: XmlElement,
  name: string,
  read: (element: XmlElement) => T | ParseFailure,
): readonly T[] | ParseFailure {
  const all: T[] = [];
  for (const child of parent.children) {
    if (child.name !== name) continue;
    if (all.length === maxItems) return new ParseFailure(`too many ${name} elements`);
    const item = read(child);
    if (item instanceof ParseFailure) return item;
    all.push(item);
  }
  return all;
}

function isContactEvent(text: string): text is ContactEvent {
  return contactEvents.some((event) => event === text);
}

function textOf(element: XmlElement, name: string): string {
  return childOf(element, name)?.text.trim() ?? '';
}

/** A number of an attribute, -1 when it is absent or none. */
function numberOf(element: XmlElement, name: string): number {
  const value = parseClipped(element.attributes.get(name) ?? '', maxDeltaSeconds);
  return value instanceof ParseFailure ? -1 : value;
}
