import { describe, expect, it } from 'vitest';
import { loadConfig } from '#service/config/config';
import type { IcscfConfig } from '#service/config/icscf-config';
import type { ScscfConfig } from '#service/config/scscf-config';
import { writeFiles } from './config-files.ts';

const base = 'homeDomain: IMS.test\nlisteners: { mw: [udp:127.0.0.1:1] }\ndiameter: { peers: [{ host: h }] }\n';
const load = (role: 'icscf' | 'scscf', text: string) => {
  const scscfs = role === 'icscf' ? 'scscfs: [{ uri: "sip:s.test" }]\n' : '';
  const file = writeFiles({ 'a.yaml': `role: ${role}\n${base}${scscfs}${text}` });
  return loadConfig({ file, role, env: {} });
};
const configOf = (role: 'icscf' | 'scscf', text: string) => load(role, text).config as IcscfConfig | ScscfConfig;
const wordsOf = (text: string) => {
  try {
    load('scscf', text);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

describe.each(['icscf', 'scscf'] as const)('how the %s is told to route numbers', (role) => {
  it('S-113 I-22 nothing is set by default', () => {
    const { numbers, routes } = configOf(role, '');
    expect([numbers, routes]).toEqual([{ dialPlan: [] }, { trustedDomains: [] }]);
  });

  it('S-113 I-22 has defaults, and names in one spelling', () => {
    const text = `numbers:
  enum: {}
  bgcf: sip:bgcf.ims.test
  dialPlan:
    - { prefix: "0", replace: "+1" }
    - { prefix: "", replace: "+1555", length: 4, context: "+1-555" }
    - { prefix: "*", replace: "+44", context: Other.test }
    - { prefix: "1", replace: "+44", context: ims.TEST }
routes: { trustedDomains: [Friend.test] }
`;
    const { numbers, routes } = configOf(role, text);
    expect(numbers).toEqual({
      enum: { suffix: 'e164.arpa', timeout: 5 },
      bgcf: 'sip:bgcf.ims.test',
      dialPlan: [
        { prefix: '0', replace: '+1', length: 0, context: '' },
        { prefix: '', replace: '+1555', length: 4, context: '+1555' },
        { prefix: '*', replace: '+44', length: 0, context: 'other.test' },
        { prefix: '1', replace: '+44', length: 0, context: '' },
      ],
    });
    expect(routes).toEqual({ trustedDomains: ['friend.test'] });
  });
});

describe('what cannot be', () => {
  it.each([
    ['ENUM without name servers', 'dns: { servers: [] }\nnumbers: { enum: {} }\n', 'dns.servers is empty'],
    [
      'a context that is none',
      'numbers: { dialPlan: [{ prefix: "0", replace: "+1", context: "a b" }] }\n',
      'phone-context',
    ],
    ['a number without +', 'numbers: { dialPlan: [{ prefix: "0", replace: "1" }] }\n', 'replace'],
    ['a rule that is an expression', 'numbers: { dialPlan: [{ prefix: "0.*", replace: "+1" }] }\n', 'prefix'],
    ['more than five seconds', 'numbers: { enum: { timeout: 6 } }\n', 'timeout'],
    ['a BGCF that is no node', 'numbers: { bgcf: "tel:+1" }\n', 'SIP URI'],
  ])('S-113 %s is refused', (_name, text, words) => {
    expect(wordsOf(text)).toContain(words);
  });

  it('S-113 ENUM may have name servers of its own', () => {
    expect(wordsOf('dns: { servers: [] }\nnumbers: { enum: { servers: ["127.0.0.1:5353"] } }\n')).toBe('');
  });
});
