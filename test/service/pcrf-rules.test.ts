import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '#service/config/config';
import { writeFiles } from './config-files.ts';

function load(rules: string) {
  const text = `role: pcrf\nrealm: epc.test\nrules:\n${rules}`;
  return loadConfig({ file: writeFiles({ 'pcrf.yaml': text }), role: 'pcrf', env: {} }).config;
}

function problems(rules: string): string {
  try {
    load(rules);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
}

describe('rules of a PCRF', () => {
  it('have names, an action that follows from what they say, and codes of Rx in Experimental-Result', () => {
    expect(
      load(`  - {}
  - { match: { media: video }, reject: {} }
  - { reject: { code: 4261 } }
  - { reject: { code: 3004, retryAfter: 5 } }
  - { reject: { code: 5065, experimental: false } }
  - { name: dead, action: silent }
  - { action: reject }
  - { delay: 200 }
`).rules,
    ).toEqual([
      { name: 'rule 1', match: {}, action: 'accept', delay: 0 },
      {
        name: 'rule 2',
        match: { media: 'video' },
        action: 'reject',
        delay: 0,
        reject: { code: 5063, experimental: true },
      },
      { name: 'rule 3', match: {}, action: 'reject', delay: 0, reject: { code: 4261, experimental: true } },
      {
        name: 'rule 4',
        match: {},
        action: 'reject',
        delay: 0,
        reject: { code: 3004, experimental: false, retryAfter: 5 },
      },
      { name: 'rule 5', match: {}, action: 'reject', delay: 0, reject: { code: 5065, experimental: false } },
      { name: 'dead', match: {}, action: 'silent', delay: 0 },
      { name: 'rule 7', match: {}, action: 'reject', delay: 0, reject: { code: 5063, experimental: true } },
      { name: 'rule 8', match: {}, action: 'accept', delay: 200 },
    ]);
  });

  it.each([
    ['  - { action: accept, reject: { code: 5063 } }', 'says how to reject, but its action is accept'],
    ['  - { action: silent, delay: 5 }', 'no answer cannot be held back'],
    ['  - { match: { address: 10.46.0.5/16 } }', 'has bits set behind its prefix'],
    ['  - { match: { adress: 10.46.0.5 } }', 'did you mean address?'],
    ['  - { action: refuse }', 'is not one of: accept, reject, silent'],
    ['  - { reject: { code: 2001 } }', 'write 3000 to 5999'],
    ['  - { reject: { acceptable: { uplink: 5 } } }', 'downlink'],
    ['  - { delay: 100000 }', 'write 0 to 60000'],
  ])('%s is told with what to do', (rules, words) => {
    expect(problems(rules)).toContain(words);
  });
});
