import { describe, expect, it } from 'vitest';
import { isFor, sipDomainsOf } from '#sip/transport/tls-names';

describe('C-10 the SIP domains of a certificate (RFC 5922 7.1)', () => {
  it.each([
    ['DNS names', 'DNS:A.Example, DNS:b.example', ['a.example', 'b.example']],
    ['sip URIs, and then no DNS name', 'DNS:host.example, URI:SIP:Example.com', ['example.com']],
    ['the host of a URI alone', 'URI:sip:example.com:5061;transport=tls', ['example.com']],
    ['no URI of a user', 'URI:sip:alice@example.com, DNS:b.example', ['b.example']],
    ['no URI of another scheme', 'URI:sips:example.com, URI:https://c.example, DNS:b.example', ['b.example']],
    ['addresses besides', 'IP Address:192.0.2.1, DNS:b.example', ['b.example', '192.0.2.1']],
    ['IPv6 in one spelling', 'IP Address:2001:DB8:0:0:0:0:0:1', ['2001:db8::1']],
    ['no name that hides in a quoted one', 'DNS:"x, DNS:evil.example", DNS:b.example', ['b.example']],
    ['no name behind an escaped quote', 'URI:"sip:\\", DNS:evil.example", DNS:b.example', ['b.example']],
    ['no wildcard', 'DNS:*.example, DNS:b.example', ['b.example']],
    ['no name with strange characters', 'DNS:a\0.example, DNS:ex ample', []],
    ['none of a mail address', 'email:sip@example.com', []],
  ])('are %s', (_name, subjectaltname, expected) => {
    expect(sipDomainsOf({ subjectaltname, subject: { CN: 'cn.example' } })).toEqual(expected);
  });

  it.each([
    [{ CN: 'Cn.Example' }, ['cn.example']],
    [{ CN: ['a.example', 'b.example'] }, []],
    [{ CN: 'Some Company' }, []],
    [{}, []],
  ])('are the common name of %j only without subjectAltName', (subject, expected) => {
    expect(sipDomainsOf({ subject })).toEqual(expected);
    expect(sipDomainsOf({ subject, subjectaltname: 'email:x@y' })).toEqual([]);
  });
});

describe('C-10 comparing domains (RFC 5922 7.2)', () => {
  it.each([
    ['example.com', true],
    ['EXAMPLE.com', true],
    ['sip.example.com', false],
    ['com', false],
    ['', false],
    ['2001:DB8::0:1', true],
    ['2001:db8::2', false],
  ])('%s', (host, expected) => {
    expect(isFor(['example.com', '2001:db8::1'], host)).toBe(expected);
  });
});
