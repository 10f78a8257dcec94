import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HomePhone, NetworkUser } from './home-network.ts';
import { fieldOf, HomeNetwork } from './home-network.ts';
import { until } from './resilient-lab.ts';

/** Servers that fail, what becomes of a call with SESSION_CONTINUED, and with SESSION_TERMINATED. */
const failures = [
  ['failing', 'failing', 200, 500],
  ['failing with 500', 'failing;status=500', 200, 500],
  ['failing with 408', 'failing;status=408', 200, 408],
  ['failing with 403, which is its answer', 'failing;status=403', 403, 403],
  ['failing after it rang, which is its answer', 'failing;early=180;status=500', 500, 500],
  ['unreachable', 'dead', 200, 504],
  ['unreachable by TCP', 'dead;transport=tcp', 200, 504],
  ['named by no SIP URI', 'tel:+1555', 200, 502],
] as const;

const spt = (group: string, condition: string, negated = 0) =>
  `<SPT><ConditionNegated>${negated}</ConditionNegated>${group
    .split(' ')
    .map((each) => `<Group>${each}</Group>`)
    .join('')}${condition}</SPT>`;

const criterion = (priority: number, server: string, cnf: 0 | 1, spts: readonly string[], more = '') =>
  `<InitialFilterCriteria><Priority>${priority}</Priority><TriggerPoint><ConditionTypeCNF>${cnf}</ConditionTypeCNF>${spts.join('')}</TriggerPoint><ApplicationServer><ServerName>${server}</ServerName><DefaultHandling>1</DefaultHandling>${more}</ApplicationServer></InitialFilterCriteria>`;

const header = (name: string, content?: string) =>
  `<SIPHeader><Header>${name}</Header>${content === undefined ? '' : `<Content>${content}</Content>`}</SIPHeader>`;

/** Criteria that say by a status which of them a request matched. */
function sorting(at: (user: string) => string): string {
  const says = (status: number) => at(`failing;status=${status}`);
  const method = (name: string) => `<Method>${name}</Method>`;
  const originating = spt('9', '<SessionCase>0</SessionCase>');
  return [
    // Either an urgent MESSAGE or any OPTIONS that accepts text; groups are not together in the document.
    criterion(10, says(450), 0, [
      spt('1', method('MESSAGE')),
      spt('2', method('OPTIONS')),
      spt('1', header('Subject', '^urgent')),
      spt('2', header('Accept', 'text/.*')),
    ]),
    // One SPT that belongs to two groups, and one that is negated.
    criterion(11, says(451), 1, [
      spt('1 2', method('MESSAGE')),
      spt('1', header('X-One')),
      spt('2', header('X-Two')),
      spt('3', header('X-Never'), 1),
      originating,
    ]),
    criterion(12, says(452), 1, [
      spt('1', '<SessionDescription><Line>m</Line><Content>video</Content></SessionDescription>'),
      originating,
    ]),
    criterion(13, says(453), 1, [spt('1', '<RequestURI>sip:info(-[a-z]+)?@ims\\.test</RequestURI>'), originating]),
    // A profile part for those who are not registered, and an expression that is none.
    `${criterion(14, says(454), 1, [spt('1', method('MESSAGE'))]).replace('</InitialFilterCriteria>', '<ProfilePartIndicator>1</ProfilePartIndicator></InitialFilterCriteria>')}`,
    criterion(15, says(455), 1, [spt('1', header('Subject', '((((')), originating]),
  ].join('');
}

function usersOf(at: (user: string) => string, mortal: (user: string) => string, dead: string): readonly NetworkUser[] {
  const failing = failures.flatMap(([, server], i) => {
    const address = server.startsWith('dead')
      ? `sip:proxy@${dead}${server.slice(4)}`
      : server.startsWith('tel:')
        ? server
        : at(server);
    return [
      { name: `continued${i}`, criteria: [{ server: address, cases: [0] }] },
      { name: `terminated${i}`, criteria: [{ server: address, cases: [0], terminated: true }] },
    ];
  });
  const register = (type: number, server: string, more: string, handling = 0) =>
    `<InitialFilterCriteria><Priority>${20 + type}</Priority><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>${spt('0', `<Method>REGISTER</Method><Extension><RegistrationType>${type}</RegistrationType></Extension>`)}</TriggerPoint><ApplicationServer><ServerName>${server}</ServerName><DefaultHandling>${handling}</DefaultHandling>${more}</ApplicationServer></InitialFilterCriteria>`;
  return [
    { name: 'anna' },
    { name: 'ben' },
    {
      name: 'chained',
      criteria: [
        { server: at('proxy'), cases: [0] },
        { server: at('b2bua'), cases: [0] },
        { server: at('proxy'), cases: [0] },
        { server: at('b2bua'), cases: [1] },
        { server: at('proxy'), cases: [1] },
      ],
    },
    { name: 'redirected', criteria: [{ server: at('redirect;to=sip:ben%40ims.test'), cases: [1] }] },
    {
      name: 'forked',
      criteria: [
        { server: at('proxy;copies=2'), cases: [0] },
        { server: at('proxy'), cases: [0] },
      ],
    },
    {
      name: 'diverted',
      criteria: [
        { server: at('forwarding;to=sip:ben%40ims.test'), cases: [1] },
        { server: at('failing;status=403'), cases: [1] },
        { server: at('proxy'), cases: [4] },
      ],
    },
    { name: 'deep', criteria: Array.from({ length: 6 }, () => ({ server: at('proxy'), cases: [0] })) },
    { name: 'hung', criteria: [{ server: at('trying'), cases: [0] }] },
    {
      name: 'mortal',
      criteria: [
        { server: at('proxy'), cases: [0] },
        { server: mortal('proxy'), cases: [0] },
        { server: at('b2bua'), cases: [0] },
      ],
    },
    {
      name: 'doomed',
      criteria: [
        { server: at('proxy'), cases: [0] },
        { server: mortal('proxy'), cases: [0], terminated: true },
        { server: at('b2bua'), cases: [0] },
      ],
    },
    { name: 'sorted', xml: sorting(at) },
    {
      name: 'told',
      xml: [
        register(
          0,
          at('proxy'),
          '<ServiceInfo>&lt;key&gt;</ServiceInfo><Extension><IncludeRegisterRequest/><IncludeRegisterResponse/></Extension>',
        ),
        register(1, at('proxy'), '<ServiceInfo>again</ServiceInfo>'),
        register(2, at('proxy'), ''),
      ].join(''),
    },
    { name: 'refused', xml: register(0, at('failing'), '', 1) },
    { name: 'tolerated', xml: register(0, at('failing'), '', 0) },
    {
      name: 'away',
      criteria: [
        { server: at('announcing;seconds=1;status=480'), cases: [2], part: 1 },
        { server: at('proxy'), cases: [3] },
      ],
    },
    { name: 'nowhere' },
  ].concat(failing as never[]) as readonly NetworkUser[];
}

describe('services of a home network', () => {
  let net: HomeNetwork;
  let anna: HomePhone;
  let ben: HomePhone;
  beforeAll(async () => {
    net = await HomeNetwork.start({
      users: usersOf,
      change({ scscf }) {
        scscf.services = { maxServers: 5, continuedTimeout: 2, terminatedTimeout: 4 };
      },
    });
    anna = await net.registered('anna');
    ben = await net.registered('ben');
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });
  beforeEach(() => {
    net.seen.length = 0;
    net.notes.length = 0;
    ben.takes = 'answer';
    ben.heard.length = 0;
    ben.calls.length = 0;
  });

  const toBen = (from: HomePhone) => net.callStatus(from, ben.ue.impu);
  const servedUsers = () => net.served('INVITE').map((text) => fieldOf(text, 'P-Served-User'));

  it('S-90 S-93 S-94 S-95 a chain of proxies and back-to-back user agents serves caller and callee, and the BYE', async () => {
    const chained = await net.registered('chained');
    expect((await toBen(chained)).status).toBe(200);
    expect(servedUsers()).toEqual(Array.from({ length: 3 }, () => '<sip:chained@ims.test>;sescase=orig;regstate=reg'));
    // Proxy and B2BUA are one server: what the first is to send to the second it has already.
    await until('the BYE has passed all', () => net.served('BYE').length === 2);
    net.seen.length = 0;
    expect((await net.callStatus(anna, chained.ue.impu)).status).toBe(200);
    expect(servedUsers()).toEqual(Array.from({ length: 2 }, () => '<sip:chained@ims.test>;sescase=term;regstate=reg'));
    // What is between S-CSCF and application servers does not come to phones.
    for (const text of [...chained.requests('INVITE'), ...ben.requests('INVITE')]) {
      expect(text).not.toMatch(/P-Served-User|P-Charging/i);
    }
  }, 20_000);

  it('S-99 a redirecting server: its 302 is the answer', async () => {
    const redirected = await net.registered('redirected');
    expect((await net.callStatus(anna, redirected.ue.impu)).status).toBe(302);
    expect(ben.calls).toHaveLength(0);
  });

  it('S-95 S-123 a forking server: each copy runs the services that are left, one is answered and the other cancelled', async () => {
    const forked = await net.registered('forked');
    ben.takes = 'ring';
    const call = forked.ue.call(ben.ue.impu);
    await until('both copies ring', () => ben.calls.length === 2);
    ben.calls[1]!.answer();
    expect(await call.answered).toBe(true);
    expect(await ben.calls[0]!.ended).toMatchObject({ by: 'them', status: 487 });
    expect(ben.requests('CANCEL')).toHaveLength(1);
    call.hangUp();
    await call.ended;
    expect(net.served('INVITE')).toHaveLength(3);
  }, 20_000);

  it('S-96 a diverting server: no service for called users runs any more, those for users who divert do', async () => {
    const diverted = await net.registered('diverted');
    expect((await net.callStatus(anna, diverted.ue.impu)).status).toBe(200);
    expect(ben.calls).toHaveLength(1);
    expect(diverted.calls).toHaveLength(0);
    expect(servedUsers()).toEqual([
      '<sip:diverted@ims.test>;sescase=term;regstate=reg',
      expect.stringContaining('orig-cdiv'),
    ]);
    expect(fieldOf(ben.requests('INVITE')[0]!, 'History-Info')).toContain('sip:diverted@ims.test');
  });

  it('S-131 a chain that is deeper than configured ends with 482', async () => {
    expect(await toBen(await net.registered('deep'))).toMatchObject({ status: 482 });
    expect(net.served('INVITE')).toHaveLength(5);
  });

  it.each(failures.map(([words, , continued, terminated], i) => ({ words, continued, terminated, i })))(
    'S-97 S-98 S-99 a server that is $words: $continued with SESSION_CONTINUED, $terminated with SESSION_TERMINATED',
    async ({ continued, terminated, i }) => {
      const lenient = await net.registered(`continued${i}`);
      const { status, ms } = await toBen(lenient);
      expect(status).toBe(continued);
      expect(ms).toBeLessThan(2_000);
      const strict = await net.registered(`terminated${i}`);
      expect((await toBen(strict)).status).toBe(terminated);
      expect(ben.calls).toHaveLength(continued === 200 ? 1 : 0);
      await Promise.all([lenient.ue.close(), strict.ue.close()]);
    },
    20_000,
  );

  it('S-97 a server that says 100 and nothing more keeps the call until the caller gives up', async () => {
    const hung = await net.registered('hung');
    const call = hung.ue.call(ben.ue.impu);
    let over = false;
    void call.ended.then(() => (over = true));
    await new Promise((resolve) => setTimeout(resolve, 2_600));
    expect(over).toBe(false);
    call.hangUp();
    expect(await call.ended).toMatchObject({ status: 487 });
    expect(ben.calls).toHaveLength(0);
  }, 20_000);

  describe('a server that dies mid-chain', () => {
    let lenient: HomePhone;
    let strict: HomePhone;
    beforeAll(async () => {
      [lenient, strict] = [await net.registered('mortal'), await net.registered('doomed')];
    });

    it('S-97 killed: at once the next server has the call, or the caller 504', async () => {
      await net.startMortal();
      expect((await toBen(lenient)).status).toBe(200);
      expect((await toBen(strict)).status).toBe(200);
      expect(net.served('INVITE')).toHaveLength(4);
      await net.kill('as');
      const { status, ms } = await toBen(lenient);
      expect(status).toBe(200);
      expect(ms).toBeLessThan(2_500);
      expect(net.served('INVITE')).toHaveLength(6);
      expect((await toBen(strict)).status).toBe(504);
      expect(net.log('scscf')).toContain('an application server fails');
    }, 30_000);

    it('S-97 stopped while it has the call: it goes on in under 2.5 seconds, or the caller gets 408', async () => {
      const pid = await net.startMortal();
      process.kill(pid, 'SIGSTOP');
      try {
        const { status, ms } = await toBen(lenient);
        expect(status).toBe(200);
        expect(ms).toBeGreaterThan(1_900);
        expect(ms).toBeLessThan(2_500);
        const refused = await toBen(strict);
        expect(refused.status).toBe(408);
        expect(refused.ms).toBeGreaterThan(3_900);
        expect(refused.ms).toBeLessThan(5_000);
      } finally {
        process.kill(pid, 'SIGCONT');
        await net.kill('as');
      }
    }, 30_000);

    it('S-95 S-97 what comes back from it too late is refused, and rings nobody twice', async () => {
      const pid = await net.startMortal();
      process.kill(pid, 'SIGSTOP');
      expect((await toBen(lenient)).status).toBe(200);
      process.kill(pid, 'SIGCONT');
      await until('the late one was refused', async () => net.log('scscf').includes('service-overtaken'));
      expect(ben.calls).toHaveLength(1);
    }, 30_000);
  });

  it.each([
    ['an urgent MESSAGE', 'MESSAGE', 'sip:ben@ims.test', [['Subject', 'urgent: now']], 450],
    ['an urgent MESSAGE by the compact form', 'MESSAGE', 'sip:ben@ims.test', [['s', 'urgent']], 450],
    ['OPTIONS that take text among others', 'OPTIONS', 'sip:ben@ims.test', [['Accept', 'image/png, text/plain']], 450],
    ['a method that is in two ORed groups', 'MESSAGE', 'sip:ben@ims.test', [['Subject', 'not urgent']], 451],
    [
      'what else is in both groups',
      'OPTIONS',
      'sip:ben@ims.test',
      [
        ['X-One', '1'],
        ['X-Two', '2'],
      ],
      451,
    ],
    ['what is in one group of two only', 'OPTIONS', 'sip:ben@ims.test', [['X-One', '1']], 200],
    ['a header that a negated SPT names', 'MESSAGE', 'sip:ben@ims.test', [['X-Never', '']], 200],
    ['SDP with video', 'INVITE', 'sip:ben@ims.test', [['Content-Type', 'application/sdp']], 452],
    ['a Request-URI', 'OPTIONS', 'sip:info-desk@ims.test', [], 453],
    ['another Request-URI', 'OPTIONS', 'sip:informant@ims.test', [], 604],
  ] as const)('S-91 S-92 filter criteria sort %s', async (_words, method, to, headers, status) => {
    const sorted = await net.registered('sorted');
    const isInvite = method === 'INVITE';
    const body = isInvite ? 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 5000 RTP/AVP 96\r\n' : '';
    const contact = isInvite ? [['Contact', `<sip:sorted@${sorted.ue.address}:${sorted.ue.port}>`]] : [];
    const all = [...headers, ...contact] as [string, string][];
    const response = await sorted.ue.request(method, to, all, body);
    expect(response.status).toBe(status);
    await sorted.ue.close();
  });

  it('S-50 S-51 S-52 the server hears of registration, renewal and end, with what its criteria ask for', async () => {
    const told = await net.registered('told');
    await until('the first REGISTER', () => net.served('REGISTER').length === 1);
    await told.register();
    await until('the second REGISTER', () => net.served('REGISTER').length === 2);
    await told.ue.deregister();
    await until('the third REGISTER', () => net.served('REGISTER').length === 3);
    const [first, second, third] = net.served('REGISTER') as [string, string, string];
    expect(fieldOf(first, 'Content-Type')).toContain('multipart/mixed');
    for (const part of [
      '&lt;key&gt;',
      'application/3gpp-ims+xml',
      'message/sip',
      '\r\nSIP/2.0 200 OK',
      'P-Associated-URI',
    ]) {
      expect(first).toContain(part);
    }
    expect(fieldOf(second, 'Content-Type')).toBe('application/3gpp-ims+xml');
    expect(second).toContain('again');
    expect(fieldOf(third, 'Content-Type')).toBeNull();
    expect([first, second, third].map((text) => Number(fieldOf(text, 'Expires')) > 0)).toEqual([true, true, false]);
    expect(fieldOf(first, 'To')).toBe('<sip:told@ims.test>');
    expect(new Set([first, second].map((text) => fieldOf(text, 'Call-ID'))).size).toBe(1);
    expect(Number.parseInt(fieldOf(second, 'CSeq')!, 10)).toBeGreaterThan(Number.parseInt(fieldOf(first, 'CSeq')!, 10));
    // X-I15: what the network and the phone share stays with them.
    for (const text of [first, second, third]) expect(text).not.toMatch(/\b[ci]k="/);
  }, 20_000);

  it('S-53 a server that fails ends the registration where SESSION_TERMINATED says so, else nothing', async () => {
    await net.registered('tolerated');
    const refused = await net.registered('refused');
    await until(
      'the registration is ended',
      async () => (await net.stateOf('refused@ims.test'))[0] !== 'registered',
      45_000,
    );
    expect(await net.stateOf('tolerated@ims.test')).toEqual(['registered']);
    expect((await net.callStatus(anna, refused.ue.impu)).status).toBe(480);
  }, 60_000);

  it('S-84 S-90 an unregistered user has the services for that, one without them is 480', async () => {
    const away = 'sip:away@ims.test';
    expect((await net.callStatus(anna, away)).status).toBe(480);
    expect(servedUsers()).toEqual([`<${away}>;sescase=term;regstate=unreg`]);
    expect(await net.stateOf(away)).toEqual(['unregistered']);
    expect((await net.callStatus(anna, 'sip:nowhere@ims.test')).status).toBe(480);
    expect(net.served('INVITE')).toHaveLength(1);
    const phone = await net.registered('away');
    expect((await net.callStatus(anna, away)).status).toBe(200);
    expect(phone.calls).toHaveLength(1);
  }, 20_000);

  it('S-81 S-82 a server calls in the name of a user, registered or not', async () => {
    for (const [from, registered, state] of [
      ['sip:anna@ims.test', true, 'registered'],
      ['sip:nowhere@ims.test', false, 'unregistered'],
    ] as const) {
      const call = net.server.call({ from, to: ben.ue.impu, registered });
      expect(await call.answered).toBe(true);
      expect(ben.calls.at(-1)!.peer).toBe(from);
      call.hangUp();
      await call.ended;
      expect(await net.stateOf(from)).toEqual([state]);
    }
  }, 20_000);
});
