import { describe, expect, it } from 'vitest';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { ScscfConfig } from '#service/config/scscf-config';
import { brief, load, problemsOf, smallPcscf, smallScscf } from './config-files.ts';

/** An S-CSCF with this as its diameter section. */
function withDiameter(section: object, more = ''): string {
  const lines = smallScscf.split('\n').filter((line) => !line.startsWith('diameter:'));
  return `${lines.join('\n')}diameter: ${JSON.stringify(section)}\n${more}`;
}

const two = [
  { host: 'hss1.ims.test', address: '127.0.0.1' },
  { host: 'hss2.ims.test', address: '127.0.0.1', port: 3869 },
];

describe('the diameter section', () => {
  it('D-10 gives peers, realms and default route with priority and weight', () => {
    const { diameter } = load(
      withDiameter({
        peers: [...two, { host: 'dra.ims.test', connect: false, tls: false }],
        listen: [{ address: '127.0.0.1' }],
        realms: [
          { realm: 'ims.test', application: 'cx', peers: ['hss1.ims.test', 'hss2.ims.test'] },
          {
            realm: 'epc.test',
            application: 'cx',
            peers: [
              { host: 'HSS1.ims.test', priority: 0, weight: 3 },
              { host: 'hss2.ims.test', priority: 0 },
              { host: 'dra.ims.test' },
            ],
          },
        ],
        defaultRoute: ['dra.ims.test'],
      }),
    ) as ScscfConfig;
    expect(diameter.realms.map(({ peers }) => peers)).toEqual([
      [
        { host: 'hss1.ims.test', priority: 0, weight: 1 },
        { host: 'hss2.ims.test', priority: 1, weight: 1 },
      ],
      [
        { host: 'HSS1.ims.test', priority: 0, weight: 3 },
        { host: 'hss2.ims.test', priority: 0, weight: 1 },
        { host: 'dra.ims.test', priority: 2, weight: 1 },
      ],
    ]);
    expect(diameter.defaultRoute).toEqual([{ host: 'dra.ims.test', priority: 0, weight: 1 }]);
    expect(diameter.listen).toEqual([{ address: '127.0.0.1', port: 3868, tls: false }]);
    expect(diameter.peers.map(({ connect, port, tls }) => [connect, port, tls])).toEqual([
      [true, 3868, false],
      [true, 3869, false],
      [false, 3868, false],
    ]);
  });

  it('D-07 D-12 D-22 has its defaults', () => {
    const { diameter } = load(withDiameter({ peers: two })) as ScscfConfig;
    expect(diameter).toMatchObject({
      timeout: 5,
      failovers: 2,
      watchdog: 30,
      reconnect: 5,
      reconnectCap: 30,
      acceptUnknown: false,
      redirect: 'known',
      listen: [],
    });
    expect(diameter.defaultRoute.map(({ host }) => host)).toEqual(['hss1.ims.test', 'hss2.ims.test']);
    const pcscf = load(`${smallPcscf}diameter: { peers: [{ host: pcrf.ims.test }] }\n`) as PcscfConfig;
    expect(pcscf.diameter?.realms).toMatchObject([{ application: 'rx', peers: [{ host: 'pcrf.ims.test' }] }]);
  });

  it.each([
    ['peers.1.host: peer HSS1.ims.test is listed twice', { peers: [two[0], { ...two[1], host: 'HSS1.ims.test' }] }],
    [
      'defaultRoute.0: hss3.ims.test is not among diameter.peers | did you',
      { peers: two, defaultRoute: ['hss3.ims.test'] },
    ],
    [
      'realms.0.peers.0: nobody.test is not among diameter.peers | known are: hss1.ims.test, hss2.ims.test',
      { peers: two, realms: [{ realm: 'a', application: 'cx', peers: [{ host: 'nobody.test' }] }] },
    ],
    [
      'peers.0.connect: hss1.ims.test is to connect to this node, which listens nowhere | add listen',
      { peers: [{ ...two[0], connect: false }] },
    ],
    ['peers.0.tls: TLS with hss1.ims.test needs a certificate | add tls:', { peers: [{ ...two[0], tls: true }] }],
    ['listen.0.tls: a tls listener needs a certificate', { peers: two, listen: [{ address: '127.0.0.1', tls: true }] }],
    [
      'listen.1: 127.0.0.1:3868 is listed twice',
      { peers: two, listen: [{ address: '127.0.0.1' }, { address: '127.0.0.1' }] },
    ],
    ['redirect: the text "follow" is not one of: known, connect, ignore', { peers: two, redirect: 'follow' }],
    ['failovers: 9 is out of range | write 0 to 8', { peers: two, failovers: 9 }],
    ['watchdog: 1 is out of range | write 6 to 600', { peers: two, watchdog: 1 }],
    [
      'weigth: unknown key | did you mean weight?',
      { peers: two, realms: [{ realm: 'a', application: 'cx', peers: [{ host: 'h', weigth: 1 }] }] },
    ],
  ])('D-10 says what is wrong and what to do: %s', (expected, section) => {
    expect(brief(problemsOf(withDiameter(section))).join('\n')).toContain(expected);
  });
});
