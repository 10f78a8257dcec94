import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, formatConfigErrors, loadConfig, summarizeConfig } from '#service/config/config';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { ScscfConfig } from '#service/config/scscf-config';
import { quickest } from '../torture/quickest.ts';
import { brief, load, problemsOf, smallPcscf, smallScscf, writeFiles } from './config-files.ts';

const withKey = (lines: string, base = smallPcscf) => brief(problemsOf(base + lines));
/** First line after the smallest configuration. */
const next = smallPcscf.split('\n').length;

describe('what a configuration gives', () => {
  it('fills in defaults that depend on other keys', () => {
    const config = load(smallPcscf) as PcscfConfig;
    expect(config.name).toBe('pcscf.ims.test');
    expect(config.visitedNetwork).toBe('ims.test');
    expect(config.timers).toEqual({
      t1: 500,
      t2: 4000,
      t4: 5000,
      timerC: 185_000,
      gm: { t1: 2000, t2: 16_000, t4: 17_000 },
    });
    expect(config.access).toEqual([
      { from: '0.0.0.0/0', security: 'ipsec-required' },
      { from: '::/0', security: 'ipsec-required' },
    ]);
    expect(config.drain).toBe(5);
  });

  it('derives the Diameter identity and the realm table of an S-CSCF', () => {
    const { diameter, uri } = load(smallScscf) as ScscfConfig;
    expect(uri).toBe('sip:127.0.0.1:6060');
    expect(diameter).toMatchObject({
      originHost: 'scscf.ims.test',
      originRealm: 'ims.test',
      timeout: 5,
      watchdog: 30,
      reconnect: 5,
      cx: { realm: 'ims.test', announce: [], dialect: '3gpp' },
    });
    const all = [{ host: 'hss.ims.test', priority: 0, weight: 1 }];
    expect(diameter.realms).toEqual([{ realm: 'ims.test', application: 'cx', peers: all }]);
    expect(diameter.defaultRoute).toEqual(all);
    const peer = {
      host: 'hss.ims.test',
      address: '127.0.0.1',
      port: 3868,
      connect: true,
      tls: false,
      anyDestination: false,
    };
    expect(diameter.peers).toEqual([peer]);
  });

  it('makes one listener of an address that serves gm and mw', () => {
    const config = load(
      smallPcscf.replace('udp:127.0.0.1:5070', 'tcp:127.0.0.1:5070, udp:127.0.0.1:5060'),
    ) as PcscfConfig;
    expect(config.listeners).toEqual([
      { index: 0, sides: ['gm', 'mw'], transport: 'udp', address: '127.0.0.1', port: 5060, sentBy: '127.0.0.1:5060' },
      { index: 1, sides: ['mw'], transport: 'tcp', address: '127.0.0.1', port: 5070, sentBy: '127.0.0.1:5070' },
    ]);
  });

  it('reads IPv6 listeners and what they are advertised as', () => {
    const text = smallPcscf.replace(
      '[udp:127.0.0.1:5060]',
      '["udp:[::1]:5060", { listen: "udp:[::]:5062", advertise: "2001:db8::7" }, { listen: udp:0.0.0.0:5064, advertise: "edge.example:5099" }]',
    );
    const { listeners } = load(text) as PcscfConfig;
    expect(listeners.map(({ address, sentBy }) => [address, sentBy])).toEqual([
      ['::1', '[::1]:5060'],
      ['::', '[2001:db8::7]:5062'],
      ['0.0.0.0', 'edge.example:5099'],
      ['127.0.0.1', '127.0.0.1:5070'],
    ]);
  });

  it('parses hosts and makes paths absolute from the folder of the file', () => {
    const file = writeFiles({
      'main.yaml': `${smallPcscf}hosts: { IMS.test: [udp:127.0.0.1:4060, "tcp:[::1]:4060"] }\nstore: { path: ../state }\n`,
    });
    const { config } = loadConfig({ file, role: 'pcscf', env: {} });
    expect(config.hosts).toEqual([
      {
        name: 'ims.test',
        targets: [
          { transport: 'udp', address: '127.0.0.1', port: 4060 },
          { transport: 'tcp', address: '::1', port: 4060 },
        ],
      },
    ]);
    expect(config.store.path).toBe(join(dirname(dirname(file)), 'state'));
    expect(config.management.socket).toBe(join(dirname(file), 'var/pcscf.sock'));
  });

  it('is frozen at every depth and can be handed to a thread', () => {
    const config = load(`${smallPcscf}hosts: { a.test: [udp:127.0.0.1:1] }`) as PcscfConfig;
    const open: string[] = [];
    const visit = (value: unknown, path: string) => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(path);
      for (const [key, child] of Object.entries(value)) visit(child, `${path}.${key}`);
    };
    visit(config, 'config');
    expect(open).toEqual([]);
    expect(structuredClone(config)).toEqual(config);
  });

  it('C-27 has a Server header only where one is given', () => {
    const server = (extra: string) => (load(smallPcscf + extra) as PcscfConfig).server;
    expect([server(''), server('server: cscf/1.0 (lab) x\n')]).toEqual([undefined, 'cscf/1.0 (lab) x']);
  });

  it('P-79 allows all media unless policy.media says otherwise', () => {
    expect((load(smallPcscf) as PcscfConfig).policy).toEqual({
      callsPerUe: 64,
      serviceRoute: 'replace',
      route: 'strict',
      withholdIdentity: ['id'],
      media: { types: [], codecs: { forbidden: [] } },
    });
    const text = `${smallPcscf}policy: { media: { types: [audio, message], codecs: { forbidden: [G729] } } }\n`;
    expect((load(text) as PcscfConfig).policy.media).toEqual({
      types: ['audio', 'message'],
      codecs: { forbidden: ['G729'] },
    });
  });

  it('treats a section without a value as left out', () => {
    expect((load(`${smallPcscf}hosts:\nrx:\n`) as PcscfConfig).rx).toMatchObject({ mode: 'off', signalling: true });
  });

  it('takes a memory store for one worker', () => {
    expect((load(`${smallScscf}store: { type: memory }\n`) as ScscfConfig).store.type).toBe('memory');
  });

  it('is summed up for --check', () => {
    expect(summarizeConfig(load(smallScscf))).toContain('diameter hss.ims.test at 127.0.0.1:3868');
  });
});

describe('environment variables', () => {
  it('types an interpolated scalar again', () => {
    const text = `${smallPcscf}workers: "\${N:-1}"\nrx: { mode: "\${M:-off}", signalling: "\${S:-true}" }\nname: p\${N:-1}.ims.test\n`;
    const one = load(text) as PcscfConfig;
    expect([one.workers, one.rx.signalling, one.name]).toEqual([1, true, 'p1.ims.test']);
    const two = load(text, { env: { N: '2', S: 'false', M: '' } }) as PcscfConfig;
    expect([two.workers, two.rx.signalling, two.name, two.rx.mode]).toEqual([2, false, 'p2.ims.test', 'off']);
  });

  it('keeps the text where the schema wants one, however it looks', () => {
    const config = load(`${smallPcscf}visitedNetwork: "\${V}"\n`, { env: { V: '26201' } }) as PcscfConfig;
    expect(config.visitedNetwork).toBe('26201');
  });

  it('says which variable is not set, and where', () => {
    expect(withKey(`visitedNetwork: "\${V}"`)).toEqual([
      `${next}:17 : environment variable V is not set | set it, or give a default: \${V:-value}`,
    ]);
  });

  it('doubles the dollar for a literal one and refuses a brace that never closes', () => {
    expect((load(`${smallPcscf}visitedNetwork: "a$\${b}"\n`) as PcscfConfig).visitedNetwork).toBe(`a\${b}`);
    expect(withKey(`visitedNetwork: "a\${b"`)[0]).toContain('no closing "}"');
  });

  it('asks for quotes where a variable breaks the YAML', () => {
    expect(withKey(`rx: { signalling: \${S:-true} }`)[0]).toContain(`put values with \${...} in quotes`);
  });
});

describe('--set', () => {
  it('sets dotted paths, values as YAML', () => {
    const config = load(`${smallPcscf}log: { level: info }\n`, {
      sets: ['log.level=debug', 'workers=2', 'trusted=[10.0.0.0/8]', 'trusted.1=fd00::/8', 'visitedNetwork=123'],
    }) as PcscfConfig;
    expect([config.log.level, config.workers, config.trusted, config.visitedNetwork]).toEqual([
      'debug',
      2,
      ['10.0.0.0/8', 'fd00::/8'],
      '123',
    ]);
  });

  it('does not replace variables, which the shell has done', () => {
    expect((load(smallPcscf, { sets: [`visitedNetwork=\${X}`] }) as PcscfConfig).visitedNetwork).toBe(`\${X}`);
  });

  it('names the text as the place of a problem', () => {
    const [problem] = problemsOf(smallPcscf, { sets: ['log.levle=debug'] });
    expect(problem).toMatchObject({
      file: '--set log.levle=debug',
      path: 'log.levle',
      suggestion: 'did you mean level?',
    });
    expect(problemsOf(smallPcscf, { sets: ['debug'] })[0]!.message).toBe('is not key=value');
  });
});

describe('include', () => {
  it('lays the own keys over the included ones, relative to the including file', () => {
    const file = writeFiles({
      'main.yaml': `include: [base.yaml, site.yaml]\n${smallPcscf}log: { level: warn }\n`,
      'base.yaml': 'log: { level: debug, format: json }\ndrain: 9\ntrusted: [10.0.0.0/8]\n',
      'site.yaml': 'trusted: [192.0.2.0/24]\n',
    });
    const { config, files } = loadConfig({ file, role: 'pcscf', env: {} });
    expect(config.log).toEqual({ level: 'warn', format: 'json' });
    expect([config.drain, config.trusted]).toEqual([9, ['192.0.2.0/24']]);
    expect(files.map((path) => path.slice(dirname(file).length + 1))).toEqual(['main.yaml', 'base.yaml', 'site.yaml']);
  });

  it('refuses cycles and missing files at the include', () => {
    const file = writeFiles({
      'a.yaml': `${smallPcscf}include: b.yaml\n`,
      'b.yaml': '\ninclude: [a.yaml, none.yaml]\n',
    });
    const problems = problemsAt(file);
    expect(problems.map(({ file: at, line, column }) => [at.endsWith('b.yaml'), line, column])).toEqual([
      [true, 2, 11],
      [true, 2, 19],
    ]);
    expect(problems[0]!.message).toContain('a.yaml includes itself');
    expect(problems[1]!.message).toContain('there is no such file');
  });

  it('places a problem in the included file it stands in', () => {
    const file = writeFiles({ 'main.yaml': `include: base.yaml\n${smallPcscf}`, 'base.yaml': 'log:\n  leevl: info\n' });
    const [problem] = problemsAt(file);
    expect([problem!.file.endsWith('base.yaml'), problem!.line, problem!.column]).toEqual([true, 2, 3]);
  });
});

function problemsAt(file: string) {
  try {
    loadConfig({ file, env: {} });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('what is wrong, where, and what to do', () => {
  it('reports everything at once, in the order of the file', () => {
    const text = `role: pcscf
homeDomian: ims.test
listeners:
  gm: [udp:127.0.0.1:5060, udp:127.0.0.1:5060, 127.0.0.1:5061]
  mw: [udp:0.0.0.0:5070]
workers: two
trusted: [10.0.0.1/8]
rx: { mode: of }
`;
    expect(brief(problemsOf(text))).toEqual([
      '2:1 homeDomian: unknown key | did you mean homeDomain?',
      '4:28 listeners.gm.1: udp:127.0.0.1:5060 is listed twice under gm | remove one of the two',
      expect.stringMatching(
        /^4:48 listeners\.gm\.2: "127\.0\.0\.1:5061" has no transport; udp, tcp and tls exist \| write transport:address:port/,
      ),
      expect.stringMatching(
        /^5:8 listeners\.mw\.0: 0\.0\.0\.0 without advertise: Via and Record-Route would carry 0\.0\.0\.0/,
      ),
      '6:10 workers: must be a whole number or a map of keys, but is the text "two" | How many workers handle messages: a number, or between which bounds it changes with the load. The first has the main thread, beside the sockets; each further one has its own and takes what the first has no time for.',
      '7:11 trusted.0: "10.0.0.1/8" has bits set behind its prefix | write 10.0.0.0/8, or /32 for that one host',
      '8:13 rx.mode: the text "of" is not one of: off, optional, required | did you mean off?',
    ]);
  });

  it.each([
    ['minExpires: 60', `${next}:1 minExpires: unknown key`, /keys here: include, role/],
    ['server: "lab (one"', `${next}:9 server: "lab (one" is not a product name`, /cscf\/1\.0 \(lab\)/],
    ['rx: { serviceRoute: strict }', `${next}:7 rx.serviceRoute: unknown key`, /serviceRoute belongs under policy/],
    [
      'policy: { media: { types: [vidio] } }',
      `${next}:28 policy.media.types.0: the text "vidio" is not one of: audio, video`,
      /did you mean video/,
    ],
    [
      'policy: { media: { codecs: { forbidden: G729 } } }',
      `${next}:41 policy.media.codecs.forbidden: must be a list`,
      /G729/,
    ],
    [
      'workers: "2"',
      `${next}:10 workers: must be a whole number or a map of keys, but is the text "2"`,
      /write it without quotes: 2/,
    ],
    ['workers: 65', `${next}:10 workers: 65 is out of range`, /write 1 to 64/],
    ['workers: { min: 2 }', `${next}:1 workers.max: this key is missing`, /Most workers/],
    ['workers: { min: 3, max: 2 }', `${next}:17 workers.min: min is 3, which is more than max, 2`, /write 1 to 2/],
    [
      'workers: { min: 1, max: 2, scaleUp: { load: 70, cycles: 5, window: 4 } }',
      `${next}:68 workers.scaleUp.window: there are no 5 cycles in a window of 4`,
      /write 5 or more/,
    ],
    ['workers: { min: 1, max: 2, scaleUp: { load: 100, cycles: 5 } }', '100 is out of range', /write 1 to 99/],
    ['visitedNetwork: 26201', `${next}:17 visitedNetwork: must be a text, but is 26201`, /put it in quotes: "26201"/],
    ['trusted: 10.0.0.0/8', `${next}:10 trusted: must be a list`, /write it as a list: \[10\.0\.0\.0\/8\]/],
    ['rx: { signalling: yes }', `${next}:19 rx.signalling: must be true or false`, /write true/],
    ['trusted: [10.0.0.0/33]', `${next}:11 trusted.0: "/33" is no prefix length of IPv4`, /write 0 to 32/],
    ['trusted: [core]', `${next}:11 trusted.0: "core" is no network`, /10\.0\.0\.0\/8/],
    ['hosts: { "a b": [udp:127.0.0.1:1] }', `${next}:10 hosts.a b: this key is not a host name`, /ims\.test/],
    [
      'hosts: { ims.test: [udp:icscf:4060] }',
      `${next}:21 hosts.ims.test.0: "icscf" is not an IP address (an IP address is needed here, not a name)`,
      /write transport/,
    ],
    [
      'log: { level: verbose }',
      `${next}:15 log.level: the text "verbose" is not one of: trace, debug`,
      /write one of them/,
    ],
    ['timers: { t1: 5000 }', `${next}:15 timers.t1: t1 (5000) is larger than t2 (4000)`, /t2 is the longest/],
    [
      'rx: { mode: required }',
      `${next}:13 rx.mode: a PCRF is to be asked, but there is no diameter section`,
      /rx: \{ mode: off \}/,
    ],
    [
      'access: [{ from: 10.0.0.0/8, security: none }, { from: 10.0.0.0/8, security: tls }]',
      `${next}:56 access.1.from: 10.0.0.0/8 is listed twice`,
      /remove one/,
    ],
    [`management: { socket: /tmp/${'x'.repeat(120)} }`, `${next}:23 management.socket: the path /tmp/xxx`, /run\/cscf/],
    [
      'tls: { certificate: no.pem, key: no.key }',
      `${next}:21 tls.certificate: there is no file`,
      /relative to the configuration file/,
    ],
  ])('says of %s what and where', (line, expected, suggestion) => {
    const found = withKey(line);
    const [before, after] = found[0]!.split(' | ');
    expect(before).toContain(expected);
    expect(after).toMatch(suggestion);
  });

  it.each([
    ['role: scscf\n', '1:1 homeDomain: this key is missing'],
    [
      'listeners: { mw: [udp:127.0.0.1:6060] }\nrole: scsc\n',
      '2:7 role: "scsc" is no role; there are pcscf, icscf, scscf, hss, pcrf | did you mean scscf?',
    ],
    ['homeDomain: ims.test\n', '1:1 role: key "role" is missing | write role: pcscf, icscf or scscf'],
    [`${smallScscf}registrar: { minExpires: 100, maxExpires: 50 }\n`, '5:12 registrar: 100, 3600, 50 are not in order'],
    [
      smallScscf.replace('hss.ims.test, address', 'hss.ims.test, adress'),
      '4:43 diameter.peers.0.adress: unknown key | did you mean address?',
    ],
    [
      `${smallScscf.replace(' }] }', ' }], realms: [{ realm: ims.test, application: cx, peers: [hsss.ims.test] }] }')}`,
      'hsss.ims.test is not among diameter.peers | did you mean hss.ims.test?',
    ],
    [
      `${smallScscf.replace(' }] }', ' }], realms: [{ realm: ims.test, application: rx, peers: [hss.ims.test] }] }')}`,
      'no realm in diameter.realms serves cx | add { realm: ims.test',
    ],
    [`${smallScscf}uri: scscf.ims.test\n`, '5:6 uri: "scscf.ims.test" is not a SIP URI of a node'],
    [
      smallScscf.replace('[udp:127.0.0.1:6060]', '[udp:0.0.0.0:6060, { listen: "udp:0.0.0.0:6062" }]'),
      'add advertise: HOST',
    ],
    [
      smallScscf.replace('[udp:127.0.0.1:6060]', '[{ listen: udp:0.0.0.0:6060, advertise: 0.0.0.0 }]'),
      '"0.0.0.0" is nothing that others can reach',
    ],
    [smallScscf.replace('[udp:127.0.0.1:6060]', '[udp:[::1]:6060]'), 'put IPv6 addresses in quotes: "udp:[::1]:5060"'],
    [
      smallScscf.replace('[udp:127.0.0.1:6060]', '[udp:127.0.0.1:6060, udp:127.0.0.1:6060]'),
      '3:39 listeners.mw.1: udp:127.0.0.1:6060 is listed twice under mw',
    ],
    [
      smallScscf.replace(
        '[udp:127.0.0.1:6060]',
        '[{ listen: udp:0.0.0.0:6060, advertise: a.test }, udp:127.0.0.1:6060]',
      ),
      'udp:127.0.0.1:6060 is already covered by udp:0.0.0.0:6060',
    ],
    [smallScscf.replace('[udp:127.0.0.1:6060]', '[tls:127.0.0.1:6061]'), 'a tls listener needs a certificate'],
    [
      `${smallScscf}workers: 4\nstore: { type: memory }\n`,
      "6:16 store.type: a memory store is one worker's own, and there are 4 workers | write type: lmdb, which all workers share, or workers: 1",
    ],
    [
      `${smallPcscf}workers: { min: 1, max: 3 }\nstore: { type: memory }\n`,
      "store.type: a memory store is one worker's own, and there are up to 3 workers",
    ],
  ])('refuses %j', (text, expected) => {
    expect(brief(problemsOf(text)).join('\n')).toContain(expected);
  });

  it('refuses the file of another role', () => {
    expect(brief(problemsOf(smallScscf, { role: 'pcscf' }))).toEqual([
      '1:7 role: this configures scscf, but pcscf was started | start bin/scscf with it, or give bin/pcscf its own file',
    ]);
  });

  it('does not take __proto__ for anything but an unknown key', () => {
    expect(withKey('__proto__: { workers: 3 }')[0]).toContain('__proto__: unknown key');
    expect(({} as Record<string, unknown>).workers).toBeUndefined();
  });

  it('prints problems as file:line:column with the suggestion below', () => {
    const text = formatConfigErrors([
      {
        file: 'a.yaml',
        line: 3,
        column: 5,
        path: 'log.levle',
        message: 'unknown key',
        suggestion: 'did you mean level?',
      },
    ]);
    expect(text).toBe('a.yaml:3:5: log.levle: unknown key\n    did you mean level?');
  });

  it('keeps secrets out of the words', () => {
    const text =
      'role: hss\ndomain: ims.test\nsubscribers:\n  - { impi: a@ims.test, k: 46500000000000000000000000000000, op: "12" }\n';
    const words = brief(problemsOf(text)).join('\n');
    expect(words).toContain('subscribers.0.k: must be a text');
    expect(words).toContain('has 2 characters, needed are 32 hexadecimal digits');
    expect(words).not.toContain('4.65e');
  });
});

describe('files that are no configuration', () => {
  it.each([
    ['', 'is empty'],
    ['- a\n- b\n', 'is not a map of keys'],
    ['role: pcscf\nrole: icscf\n', '2:1 : Map keys must be unique | keep one of the two'],
    ['role: pcscf\n---\nrole: icscf\n', 'one YAML document'],
    ['a: *b\n', 'no anchor &b stands above'],
    ['a: &a [*a]\n', 'nested too deeply or grows too large'],
    [`role: ${'['.repeat(200_000)}`, ''],
    ['? [a]\n: b\n', 'a key must be plain text'],
  ])('refuses %.40j', (text, expected) => {
    expect(brief(problemsOf(text)).join('\n')).toContain(expected);
  });

  it('refuses an alias bomb quickly', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`,
    );
    const bomb = `l0: &l0 [x]\n${levels.join('\n')}\n`;
    expect(brief(problemsOf(bomb))[0]).toContain('grows too large');
    expect(quickest(2000, () => problemsOf(bomb))).toBeLessThan(2000);
  });

  it('refuses more than 1 MiB over all files', () => {
    const half = `#${'x'.repeat(600_000)}\n`;
    const file = writeFiles({ 'main.yaml': `${half}${smallPcscf}include: more.yaml\n`, 'more.yaml': half });
    expect(problemsAt(file)[0]!.message).toContain('larger than 1 MiB');
    expect(problemsAt('/dev/zero')[0]!.message).toContain('larger than 1 MiB');
  });

  it('says in words that a file is missing or a folder', () => {
    expect(problemsAt('/nowhere/pcscf.yaml')[0]).toMatchObject({
      line: 0,
      message: expect.stringContaining('there is no such file'),
    });
    expect(problemsAt(dirname(writeFiles({ 'x.yaml': '' })))[0]!.message).toContain('is a folder');
  });

  it('takes a file with a byte order mark', () => {
    expect(load(`\ufeff${smallPcscf}`).name).toBe('pcscf.ims.test');
  });
});

describe('shipped files', () => {
  const shipped = (name: string) => new URL(`../../config/${name}`, import.meta.url).pathname;

  it.each(['pcscf', 'icscf', 'scscf', 'hss', 'pcrf'] as const)('config/%s.yaml is valid', (role) => {
    expect(loadConfig({ file: shipped(`${role}.yaml`), role, env: {} }).config.role).toBe(role);
  });

  it('the lab HSS has alice, bob and a range, their profile template and matching keys', () => {
    const { config } = loadConfig({ file: shipped('hss.yaml'), role: 'hss', env: {} });
    const [alice, bob, many] = config.subscribers;
    expect([alice!.impi, bob!.impi, many!.range]).toEqual([
      'alice@ims.test',
      'bob@ims.test',
      { prefix: 'user%06d', first: 0, count: 100_000, tel: 'tel:+1555%06d' },
    ]);
    expect(config.listen).toEqual({ transport: 'tcp', address: '127.0.0.1', port: 3868 });
    for (const { profile } of config.subscribers) expect(readFileSync(profile, 'utf8')).toContain(`\${IMPI}`);
    expect(Buffer.from(many!.k, 'hex').toString()).toBe('lab-ims-key-0001');
  });

  it('the whole configuration of a load rig is valid', () => {
    const rig = `role: pcscf
name: pcscf.ims.test
homeDomain: ims.test
visitedNetwork: ims.test
workers: "\${CSCF_WORKERS:-1}"
listeners:
  gm: [udp:127.0.8.1:5060, tcp:127.0.8.1:5060]
  mw: [udp:127.0.8.1:5060, tcp:127.0.8.1:5060]
access:
  - { from: 0.0.0.0/0, security: none }
trusted: [127.0.8.0/24]
hosts:
  ims.test: [udp:127.0.8.2:4060]
rx: { mode: required, signalling: "\${RIG_RX_REG:-true}" }
diameter:
  originHost: pcscf.ims.test
  originRealm: ims.test
  peers: [{ host: hss.ims.test, address: 127.0.8.4, port: 3868 }]
  realms: [{ realm: ims.test, application: rx, peers: [hss.ims.test] }]
store: { type: lmdb, path: "\${RIG_WORK}/store" }
management: { socket: "\${RIG_WORK}/manage.sock" }
log: { level: warn }
`;
    const config = load(rig, { env: { RIG_WORK: '/tmp/rig', CSCF_WORKERS: '2' } }) as PcscfConfig;
    expect([config.workers, config.rx.signalling, config.store.path, config.management.socket]).toEqual([
      2,
      true,
      '/tmp/rig/store',
      '/tmp/rig/manage.sock',
    ]);
    expect(config.listeners.map(({ sides }) => sides)).toEqual([
      ['gm', 'mw'],
      ['gm', 'mw'],
    ]);
  });
});
