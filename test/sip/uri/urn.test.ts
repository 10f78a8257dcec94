import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { type OtherUri, parseUri, type Uri } from '#sip/uri/uri';
import { formatUrn, parseUrn, serviceOf, type Urn } from '#sip/uri/urn';

const other = (text: string) => parseUri(text) as OtherUri;

describe('URNs', () => {
  it.each([
    ['urn:service:sos.Fire', 'service', 'sos.Fire', ''],
    ['URN:GSMA:imei:35622410-483840-0', 'gsma', 'imei:35622410-483840-0', ''],
    ['urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'uuid', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', ''],
    ['urn:urn-7:3gpp-service.ims.icsi.mmtel', 'urn-7', '3gpp-service.ims.icsi.mmtel', ''],
    ['urn:example:a?b/c?+r?=q#f', 'example', 'a?b/c', '?+r?=q#f'],
    ['urn:example:a#?=x', 'example', 'a', '#?=x'],
  ])('C-18 takes %s apart', (text, namespace, name, components) => {
    const urn = parseUrn(other(text)) as Urn;
    expect(urn).toEqual({ namespace, name, components });
    expect(parseUrn(other(formatUrn(urn)))).toEqual(urn);
  });

  it.each([
    'urn:x',
    'urn:x:y',
    'urn:-ab:y',
    'urn:ab-:y',
    'urn:a_b:y',
    `urn:${'a'.repeat(33)}:y`,
    'urn:ab:',
    'urn:ab:#f',
    'http:ab:c',
  ])('X-S12 refuses %s', (text) => {
    expect(parseUrn(other(text))).toBeInstanceOf(ParseFailure);
  });

  it('C-18 tells the service that is asked for', () => {
    const service = (text: string) => serviceOf(parseUri(text) as Uri);
    expect(['urn:service:sos', 'URN:Service:SOS.Police', 'urn:service:counseling'].map(service)).toEqual([
      'sos',
      'sos.police',
      'counseling',
    ]);
    expect(['urn:services:sos', 'urn:service', 'tel:112', 'sip:sos@a'].map(service)).toEqual([null, null, null, null]);
  });
});

describe('tel URIs', () => {
  it('C-18 keeps phone-context, isub, ext, npdi and rn', () => {
    const text = 'tel:7042;phone-context=+1-914;isub=12;ext=34;npdi;rn=+1-202';
    const uri = parseUri(text) as Uri;
    if (uri.kind !== 'tel') throw new Error(uri.kind);
    const values = ['phone-context', 'ISUB', 'ext', 'npdi', 'rn', 'cic'].map((name) => uri.parameters.get(name));
    expect(values).toEqual(['+1-914', '12', '34', '', '+1-202', null]);
  });
});
