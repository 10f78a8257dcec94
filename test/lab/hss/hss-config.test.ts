import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SubscriberTable } from '#lab/hss/subscriber-table';
import { ConfigError, loadConfig } from '#service/config/config';
import type { HssConfig } from '#service/config/hss-config';
import { aliceKey, template } from './hss-client.ts';

const key = `k: "${aliceKey.k}", op: "${aliceKey.op}"`;
const head = 'role: hss\ndomain: ims.test\nprofiles: { default: profile.xml, work: work.xml }\n';

/** Writes a configuration beside the templates that it names, gives its file. */
function write(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'hss-config-'));
  for (const name of ['profile.xml', 'work.xml', 'own.xml']) writeFileSync(join(folder, name), template);
  writeFileSync(join(folder, 'hss.yaml'), text);
  return join(folder, 'hss.yaml');
}

function load(file: string): HssConfig {
  return loadConfig({ file, role: 'hss', env: {} }).config;
}

/** `line path: message` of each problem. */
function problemsOf(text: string): string[] {
  try {
    load(write(text));
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ line, message, path }) => `${line} ${path}: ${message}`);
    throw error;
  }
  return [];
}

const full = `${head}subscribers:
  - impi: alice@ims.test
    ${key.replaceAll(', ', '\n    ')}
    subscription: family
    visitedNetworks: [ims.test, visited.test]
    capabilities: { mandatory: [1, 2] }
    charging: { primaryCcf: "aaa://ccf.ims.test" }
    unregisteredServices: true
    scheme: Digest-AKAv1-MD5
    sets:
      - - sip:alice@ims.test
        - { identity: "tel:+15550001", displayName: Alice, aliasGroup: a }
        - { identity: sip:a.smith@ims.test, profile: work }
      - - { identity: sip:secret@ims.test, barred: true, profile: own.xml }
      - - { identity: "sip:chat!.*!@ims.test", service: true, applicationServer: sip:as.ims.test:5090 }
capabilities: { optional: [7] }
charging: { primaryEcf: "aaa://ecf.ims.test" }
servers: [sip:scscf.ims.test:6060]
keepServerName: false
enforce: true
`;

describe('the configuration of the lab HSS', () => {
  it('has implicit sets with profiles, barring and wildcards, roaming, capabilities, charging', () => {
    const file = write(full);
    const config = load(file);
    expect(config).toMatchObject({
      capabilities: { mandatory: [], optional: [7], servers: [] },
      charging: { primaryEcf: 'aaa://ecf.ims.test' },
      servers: ['sip:scscf.ims.test:6060'],
      keepServerName: false,
      enforce: true,
    });
    const [alice] = config.subscribers;
    expect(alice!.impus).toEqual(['sip:alice@ims.test', 'tel:+15550001', 'sip:a.smith@ims.test']);
    expect(alice!.sets![0]![2]).toEqual({
      identity: 'sip:a.smith@ims.test',
      service: false,
      profile: join(dirname(file), 'work.xml'),
    });
    const table = new SubscriberTable(config.subscribers, config.domain, config);
    const { subscription } = table.byImpi('alice@ims.test')!;
    expect(subscription.sets.map(({ identities }) => identities.length)).toEqual([3, 1, 1]);
    expect(subscription.capabilities).toEqual({ mandatory: [1, 2], optional: [], servers: [] });
    expect(table.byImpu('sip:secret@ims.test')!.identity.barred).toBe(true);
    expect(table.byImpu('sip:chat-7@ims.test')!.identity.applicationServer).toBe('sip:as.ims.test:5090');
    expect(table.byImpu('sip:alice@IMS.TEST:5060;user=phone')!.set).toBe(0);
    expect(table.byImpu('tel:+1-555-0001')!.set).toBe(0);
  });

  it('read back as the lab writes it, it is the same', () => {
    const config = load(write(full));
    const { management: _management, log: _log, drain: _drain, listen: _listen, ...rest } = config;
    expect(load(write(JSON.stringify(rest))).subscribers).toEqual(config.subscribers);
  });

  it('without any of it, it is as before: one set of impus, everything allowed', () => {
    const config = load(write(`${head}subscribers: [{ impi: alice@ims.test, ${key} }]\n`));
    expect(config).toMatchObject({ servers: [], keepServerName: true, enforce: false });
    expect(config.subscribers[0]).toMatchObject({ impus: ['sip:alice@ims.test'] });
    expect(config.subscribers[0]!.sets).toBeUndefined();
  });

  it.each([
    [
      'impus: [sip:x@ims.test], sets: [[sip:alice@ims.test]]',
      'subscribers.0.impus: differs from the first list in sets',
    ],
    ['sets: [[{ identity: alice }]]', 'subscribers.0.sets.0.0.identity: "alice" is not a public identity'],
    ['sets: [["sip:pbx!.*@ims.test"]]', 'subscribers.0.sets.0.0: "sip:pbx!.*@ims.test" is not a wildcarded identity'],
    ['sets: [[{ identity: sip:a@ims.test, bared: true }]]', 'subscribers.0.sets.0.0.bared: unknown key'],
    [
      'sets: [[{ identity: sip:a@ims.test, profile: wrok }]]',
      'subscribers.0.sets.0.0.profile: "wrok" is neither a name out of profiles nor a file',
    ],
    [
      'sets: [[{ identity: sip:a@ims.test, applicationServer: sip:as.ims.test }]]',
      'subscribers.0.sets.0.0.applicationServer: is for service identities',
    ],
    ['sets: []', 'subscribers.0.sets: the list is empty'],
    ['scheme: SIP Digest', 'subscribers.0.scheme: SIP Digest needs a password'],
    ['scheme: MD5', 'subscribers.0.scheme: the text "MD5" is not one of: Digest-AKAv1-MD5, SIP Digest'],
    ['capabilities: { mandatory: [-1] }', 'subscribers.0.capabilities.mandatory.0: -1 is out of range'],
    ['charging: { ccf: x }', 'subscribers.0.charging.ccf: unknown key'],
    ['visitedNetworks: ims.test', 'subscribers.0.visitedNetworks: must be a list, but is the text "ims.test"'],
  ])('%s is told with path and line', (words, expected) => {
    const text = `${head}subscribers:\n  - { impi: alice@ims.test, ${key}, ${words} }\n`;
    expect(problemsOf(text)).toContainEqual(`5 ${expected}`);
  });

  it('subscribers that cannot be are refused when it starts', () => {
    const config = (text: string) => load(write(`${head}subscribers:\n${text}`));
    const make = (text: string) => () => new SubscriberTable(config(text).subscribers, 'ims.test');
    const alice = `  - { impi: a@ims.test, ${key}, impus: [sip:x@ims.test] }\n`;
    expect(make(`${alice}  - { impi: b@ims.test, ${key}, impus: [sip:x@ims.test] }\n`)).toThrow(
      'sip:x@ims.test belongs to a@ims.test and b@ims.test',
    );
    expect(make(alice + alice)).toThrow('a@ims.test is listed twice');
    const shared = (impi: string, impus: string) =>
      `  - { impi: ${impi}, ${key}, subscription: s, impus: [${impus}] }\n`;
    expect(
      make(shared('a@ims.test', 'sip:x@ims.test') + shared('b@ims.test', 'sip:x@ims.test, sip:y@ims.test')),
    ).toThrow('b@ims.test shares sip:x@ims.test, but not all of its implicit set');
  });

  it('config/hss.yaml names every key that a subscriber may have', () => {
    const text = readFileSync(new URL('../../../config/hss.yaml', import.meta.url), 'utf8');
    for (const name of [
      'sets',
      'visitedNetworks',
      'capabilities',
      'charging',
      'subscription',
      'unregisteredServices',
      'servers',
      'keepServerName',
      'enforce',
      'scheme',
    ]) {
      expect(text).toContain(`${name}:`);
    }
  });
});
