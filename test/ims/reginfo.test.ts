import { describe, expect, it } from 'vitest';
import { formatRegInfo, type RegInfo, type RegInfoContact, regInfoNamespaces } from '#ims/reginfo';
import { readRegInfo } from '#ims/reginfo-read';
import { childOf, readXml } from '#ims/xml';
import { ParseFailure } from '#sip/errors';

const contact: RegInfoContact = {
  id: 'r1-76',
  state: 'active',
  event: 'registered',
  uri: 'sip:alice@10.0.0.1:5060;transport=tcp',
  displayName: '',
  durationRegistered: 12,
  expires: 7190,
  retryAfter: -1,
  q: 800,
  callId: 'reg-a@10.0.0.1',
  cseq: 2,
  parameters: [
    { name: '+sip.instance', value: '"<urn:gsma:imei:35209900-176148-0>"' },
    { name: 'audio', value: '' },
  ],
  publicGruu: 'sip:alice@ims.test;gr=urn:gsma:imei:35209900-176148-0',
  temporaryGruu: 'sip:tgruu.x@ims.test;gr',
  firstCseq: 1,
};
const document: RegInfo = {
  version: 7,
  state: 'full',
  registrations: [
    { aor: 'sip:alice@ims.test', id: 'r1', state: 'active', wildcard: '', contacts: [contact] },
    { aor: 'sip:!.*!@ims.test', id: 'r2', state: 'active', wildcard: 'sip:!.*!@ims.test', contacts: [] },
    { aor: 'tel:+15550001', id: 'r3', state: 'init', wildcard: '', contacts: [] },
  ],
};
const read = (text: string) => readRegInfo(Buffer.from(text, 'latin1'));

describe('documents of the reg event package', () => {
  it('S-63 P-62 are read as they were written', () => {
    expect(read(formatRegInfo(document))).toEqual(document);
  });

  it('S-63 have the names, namespaces and attributes of RFC 3680, RFC 5628 and TS 24.229', () => {
    const text = formatRegInfo(document);
    expect(text).toContain(`<reginfo xmlns="${regInfoNamespaces.regInfo}" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"`);
    expect(text).toContain('xmlns:ere="urn:3gpp:ns:extRegInfo:1.0" version="7" state="full">');
    expect(text).toContain(
      '<contact id="r1-76" state="active" event="registered" duration-registered="12" expires="7190" q="0.8" callid="reg-a@10.0.0.1" cseq="2">',
    );
    expect(text).toContain('<gr:temp-gruu uri="sip:tgruu.x@ims.test;gr" first-cseq="1"/>');
    expect(text).toContain('<ere:wildcardedIdentity>sip:!.*!@ims.test</ere:wildcardedIdentity>');
    expect(text).toMatch(
      /<unknown-param name="\+sip.instance">&quot;&lt;urn:gsma:imei:35209900-176148-0&gt;&quot;<\/unknown-param>/,
    );
    const plain = { ...document, registrations: [{ ...document.registrations[2]!, contacts: [] }] };
    expect(formatRegInfo(plain)).toContain(`<reginfo xmlns="${regInfoNamespaces.regInfo}" version="7" state="full">`);
  });

  it('S-63 escape everything a UE has written, whatever octets it used', () => {
    const evil = '</uri><registration aor="x">&amp;]]>\u0000\u0007\'"';
    const hostile: RegInfoContact = {
      ...contact,
      uri: `sip:a@b${evil}`,
      displayName: 'M\u00fcller',
      callId: evil,
      parameters: [{ name: 'x"><y', value: evil }],
      publicGruu: '',
      temporaryGruu: '',
    };
    const registration = { ...document.registrations[0]!, contacts: [hostile] };
    const text = formatRegInfo({ ...document, registrations: [registration] });
    const back = read(text);
    if (back instanceof ParseFailure) throw new Error(back.reason);
    expect(back.registrations).toHaveLength(1);
    const seen = back.registrations[0]!.contacts[0]!;
    const without = evil.replaceAll(/[\u0000\u0007]/g, '');
    expect([seen.uri, seen.callId]).toEqual([`sip:a@b${without}`, without]);
    expect(seen.parameters).toEqual([{ name: 'x"><y', value: without }]);
    // Latin1 became UTF-8, here as latin1 of its octets.
    expect(Buffer.from(seen.displayName, 'latin1').toString('utf8')).toBe('Müller');
    const utf8 = Buffer.from('Müller', 'utf8').toString('latin1');
    const same = formatRegInfo({
      ...document,
      registrations: [{ ...registration, contacts: [{ ...hostile, displayName: utf8 }] }],
    });
    expect(same).toContain(`<display-name>${utf8}</display-name>`);
  });

  it('S-63 are well-formed for each event, with retry-after where there is one', () => {
    const ended: RegInfoContact = { ...contact, state: 'terminated', event: 'probation', retryAfter: 30, expires: -1 };
    const text = formatRegInfo({ ...document, registrations: [{ ...document.registrations[0]!, contacts: [ended] }] });
    const root = readXml(Buffer.from(text, 'latin1'));
    if (root instanceof ParseFailure) throw new Error(root.reason);
    const found = childOf(childOf(root, 'registration')!, 'contact')!;
    expect(found.attributes.get('retry-after')).toBe('30');
    expect(found.attributes.has('expires')).toBe(false);
  });

  it('P-62 are taken with other prefixes, partial, and with elements nobody knows', () => {
    const text = `<?xml version="1.0"?><r:reginfo xmlns:r="urn:ietf:params:xml:ns:reginfo" version="0" state="partial">
      <x:note xmlns:x="y"/><r:registration aor="sip:a@b" id="1" state="terminated">
      <r:contact id="2" state="terminated" event="rejected"><r:uri> sip:a@c </r:uri></r:contact></r:registration></r:reginfo>`;
    expect(read(text)).toMatchObject({
      version: 0,
      state: 'partial',
      registrations: [{ aor: 'sip:a@b', contacts: [{ uri: 'sip:a@c', event: 'rejected', expires: -1, q: -1 }] }],
    });
  });

  it.each([
    ['another document', '<presence/>'],
    ['no XML', 'reginfo'],
    ['no version', '<reginfo state="full"/>'],
    ['a version that is no number', '<reginfo version="-1" state="full"/>'],
    ['no state', '<reginfo version="1"/>'],
    [
      'an identity without id',
      '<reginfo version="1" state="full"><registration aor="sip:a@b" state="init"/></reginfo>',
    ],
    [
      'an identity of an unknown state',
      '<reginfo version="1" state="full"><registration aor="a" id="1" state="x"/></reginfo>',
    ],
    [
      'a contact without URI',
      '<reginfo version="1" state="full"><registration aor="a" id="1" state="active"><contact id="1" state="active" event="created"/></registration></reginfo>',
    ],
    [
      'a contact of an unknown event',
      '<reginfo version="1" state="full"><registration aor="a" id="1" state="active"><contact id="1" state="active" event="born"><uri>a</uri></contact></registration></reginfo>',
    ],
    ['an entity of its own', '<!DOCTYPE r [<!ENTITY a "b">]><reginfo version="1" state="full"/>'],
  ])('P-62 are refused: %s', (_what, text) => {
    expect(read(text)).toBeInstanceOf(ParseFailure);
  });

  it('P-62 are refused beyond a thousand identities', () => {
    const one = '<registration aor="sip:a@b" id="1" state="init"/>';
    expect(read(`<reginfo version="1" state="full">${one.repeat(1024)}</reginfo>`)).not.toBeInstanceOf(ParseFailure);
    expect(read(`<reginfo version="1" state="full">${one.repeat(1025)}</reginfo>`)).toBeInstanceOf(ParseFailure);
  });
});
