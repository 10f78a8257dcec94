import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverAssignmentAnswer } from '#diameter/cx/cx-server';
import { baseResult } from '#diameter/result';
import type { OrderOutcome } from '#lab/hss/server-orders';
import { HomeNetwork, type HomePhone, type NetworkUser } from './home-network.ts';
import { until } from './resilient-lab.ts';

const identity = `<PublicIdentity><Identity>\${IMPU}</Identity></PublicIdentity>`;
const subscription = (content: string, before = '<?xml version="1.0" encoding="UTF-8"?>\n') =>
  `${before}<IMSSubscription>\n<PrivateID>\${IMPI}</PrivateID>\n${content}\n</IMSSubscription>`;
const service = (content: string) => subscription(`<ServiceProfile>\n${identity}\n${content}\n</ServiceProfile>`);
const criterion = (i: number, condition: string, server = 'sip:proxy@127.0.0.1:9') =>
  `<InitialFilterCriteria><Priority>${i}</Priority><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><ConditionNegated>0</ConditionNegated><Group>0</Group>${condition}</SPT></TriggerPoint><ApplicationServer><ServerName>${server}</ServerName><DefaultHandling>0</DefaultHandling></ApplicationServer></InitialFilterCriteria>`;
const bomb = [
  '<?xml version="1.0"?>',
  '<!DOCTYPE b [',
  '<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">',
  ...Array.from({ length: 12 }, (_, i) => `<!ENTITY e${i} "${`&${i === 0 ? 'a' : `e${i - 1}`};`.repeat(10)}">`),
  ']>',
  '',
].join('\n');

/** Profiles that are refused: a name, the profile, the reason id, and the line of the XML that the log names. */
const bad: readonly (readonly [name: string, words: string, profile: string, reason: string, line: number])[] = [
  ['entity', 'an entity of its own', service('<X>&e11;</X>'), 'profile-unusable', 6],
  [
    'bomb',
    'a DOCTYPE with an entity bomb',
    subscription(`<ServiceProfile>${identity}</ServiceProfile>`, bomb),
    'profile-unusable',
    2,
  ],
  [
    'doctype',
    'a DOCTYPE that names a file',
    subscription(
      `<ServiceProfile>${identity}</ServiceProfile>`,
      '<?xml version="1.0"?>\n\n<!DOCTYPE x SYSTEM "file:///etc/passwd">\n',
    ),
    'profile-unusable',
    3,
  ],
  ['many', '10,000 filter criteria', service('<InitialFilterCriteria/>'.repeat(10_000)), 'profile-unusable', 6],
  ['deep', 'elements 100,000 deep', service('<a>'.repeat(100_000)), 'profile-unusable', 6],
  ['unclosed', 'an element that does not end', subscription(`<ServiceProfile>${identity}`), 'profile-unusable', 5],
  ['crossed', 'elements that cross', service('<A><B></A></B>'), 'profile-unusable', 6],
  [
    'nameless',
    'no identity in a service profile',
    `<IMSSubscription>\n<!-- --><Other>${identity}</Other></IMSSubscription>`,
    'profile-unusable',
    1,
  ],
  ['foreign', 'another root element', `<?xml version="1.0"?>\n<html>${identity}</html>`, 'profile-unusable', 2],
];

/** Profiles that are mended: what is wrong in them is left out, and the user is served. */
const mended: readonly (readonly [name: string, words: string, profile: string])[] = [
  [
    'hostile',
    'expressions that never end elsewhere',
    service(
      [
        criterion(0, '<RequestURI>^((a+)+)+$</RequestURI>'),
        criterion(1, '<RequestURI>(sip|s(i)*p|.*)*(.*)*(.*)*@(.*)*x</RequestURI>'),
        criterion(2, '<SIPHeader><Header>(.*)*(.*)*</Header><Content>((.*)*)*y{1,1000}</Content></SIPHeader>'),
        criterion(3, '<SessionDescription><Line>(x+x+)+y</Line></SessionDescription>'),
      ].join('\n'),
    ),
  ],
  [
    'broken',
    'expressions that are none',
    service(
      [
        criterion(0, '<RequestURI>((((</RequestURI>'),
        criterion(1, '<SIPHeader><Header>[z-a]</Header></SIPHeader>'),
      ].join('\n'),
    ),
  ],
  [
    'partless',
    'criteria without priority or server',
    service('<InitialFilterCriteria><Priority>x</Priority></InitialFilterCriteria><InitialFilterCriteria/>'),
  ],
  [
    'double',
    'priorities that repeat, are negative and no numbers',
    service(
      [
        criterion(-1, '<Method>X</Method>'),
        criterion(0, '<Method>X</Method>'),
        criterion(0, '<Method>Y</Method>'),
      ].join('\n'),
    ),
  ],
  [
    'strange',
    'unknown elements, namespaces, CDATA, a BOM and blanks',
    `\ufeff${subscription(`<x:Odd xmlns:x="urn:odd"><![CDATA[<&]]></x:Odd>\n<ServiceProfile>\n${identity.replace('<Identity>', '<BarringIndication>false</BarringIndication><Identity> ').replace('</Identity>', ' </Identity>')}</ServiceProfile>`)}`,
  ],
  [
    'parted',
    'two service profiles',
    subscription(
      `<ServiceProfile>${identity}</ServiceProfile><ServiceProfile><PublicIdentity><Identity>tel:+15550299</Identity></PublicIdentity></ServiceProfile>`,
    ),
  ],
];

describe('profiles of a home network', () => {
  let net: HomeNetwork;
  let anna: HomePhone;
  beforeAll(async () => {
    net = await HomeNetwork.start({
      relay: true,
      users: (): NetworkUser[] => [
        { name: 'anna' },
        { name: 'ben' },
        ...bad.map(([name, , profile]) => ({ name, profile })),
        ...mended.map(([name, , profile]) => ({ name, profile })),
      ],
    });
    anna = await net.registered('anna');
  }, 40_000);
  afterAll(async () => {
    const findings = await net?.findings();
    await net?.stop();
    expect(findings).toEqual([]);
  });

  /** Lines of the log of the S-CSCF with these words. */
  const logged = (...words: string[]) =>
    net
      .log('scscf')
      .split('\n')
      .filter((line) => words.every((each) => line.includes(each)));

  it.each(bad)(
    'S-22 S-23 X-D9 %s: %s is 500 with reason and line, the HSS is told, others are served',
    async (name, _words, _profile, reason, line) => {
      const phone = await net.phone(name);
      const outcome = await phone.ue.register();
      expect(outcome).toMatchObject({ status: 500, words: expect.stringMatching(`${reason}: .* in line ${line}\\b`) });
      await until('the HSS is told', async () => (await net.stateOf(`${name}@ims.test`))[0] === 'not-registered');
      expect((await net.callStatus(anna, phone.ue.impu)).status).toBe(480);
      expect((await anna.ue.message(anna.ue.impu, 'still here')).status).toBe(200);
      await phone.ue.close();
    },
  );

  it.each([
    ['UTF-16', Buffer.from(`\ufeff${service('')}`, 'utf16le')],
    ['octets that are no text', Buffer.from([0x3c, 0xff, 0xfe, 0x00, 0x3e])],
    ['nothing but blanks', Buffer.from(' \r\n\t ')],
  ])('S-22 S-23 a profile of %s is 500, and the next REGISTER with a right one is served', async (_words, userData) => {
    const ben = await net.phone('ben');
    net.relay!.next('SAR', serverAssignmentAnswer({ result: baseResult(2001), impi: 'ben@ims.test', userData }), {
      type: 1,
    });
    expect(await ben.ue.register()).toMatchObject({
      status: 500,
      words: expect.stringMatching('profile-unusable|profile-missing'),
    });
    await ben.register();
    await ben.ue.deregister();
    await ben.ue.close();
  });

  it('S-22 a profile larger than a message may be costs its own REGISTER only', async () => {
    const ben = await net.phone('ben');
    const userData = Buffer.alloc(900_000, service(criterion(0, '<Method>INVITE</Method>')));
    net.relay!.next('SAR', serverAssignmentAnswer({ result: baseResult(2001), impi: 'ben@ims.test', userData }), {
      type: 1,
    });
    expect(await ben.ue.register()).toMatchObject({ status: 500 });
    await ben.register();
    await ben.ue.deregister();
    await ben.ue.close();
  });

  it('S-23 X-F6 the log has reason and line of the first ones, and counts what it leaves out', () => {
    const lines = logged('"reason":"profile-unusable"');
    expect(lines.length).toBeGreaterThanOrEqual(3);
    for (const line of lines.slice(0, 3)) expect(line).toMatch(/"detail":"[^"]* in line [0-9]+"/);
  });

  it.each(mended)('S-23 S-90 S-92 %s: with %s the user is served, and quickly', async (name) => {
    const phone = await net.registered(name);
    const to = name === 'hostile' ? `sip:${'a'.repeat(60)}!@ims.test` : anna.ue.impu;
    const startMs = performance.now();
    await phone.ue.message(to, 'x');
    expect(performance.now() - startMs).toBeLessThan(1_500);
    expect((await net.callStatus(phone, anna.ue.impu)).status).toBe(200);
    expect((await net.callStatus(anna, phone.ue.impu)).status).toBe(200);
    await phone.ue.close();
  });

  it.each(bad)(
    'S-73 X-D9 a push of %s: %s is answered 5009, and calls go on as they are',
    async (name, _words, profile) => {
      const ben = await net.registered('ben');
      const call = anna.ue.call(ben.ue.impu);
      expect(await call.answered).toBe(true);
      const written = profile.replaceAll(`\${IMPU}`, 'sip:ben@ims.test').replaceAll(`\${IMPI}`, 'ben@ims.test');
      const outcome = await net.hss<OrderOutcome>('hss.ppr', { impi: 'ben@ims.test', profile: written });
      expect(outcome, name).toMatchObject({ done: false, code: 5009 });
      expect(await net.stateOf('ben@ims.test')).toEqual(['registered']);
      call.hangUp();
      expect(await call.ended).toMatchObject({ by: 'us', status: 200 });
      expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(200);
      await ben.ue.close();
    },
  );

  it('S-73 a push that changes identities and services counts for the next call, while one is up', async () => {
    const ben = await net.registered('ben');
    const call = anna.ue.call(ben.ue.impu);
    expect(await call.answered).toBe(true);
    const services = `<ServiceProfile><PublicIdentity><Identity>sip:ben@ims.test</Identity></PublicIdentity><PublicIdentity><Identity>tel:+15550277</Identity></PublicIdentity>${criterion(
      0,
      '<Method>MESSAGE</Method>',
      'tel:+1',
    ).replace('<DefaultHandling>0', '<DefaultHandling>1')}</ServiceProfile>`;
    const profile = `<IMSSubscription><PrivateID>ben@ims.test</PrivateID>${services}</IMSSubscription>`;
    expect(await net.hss<OrderOutcome>('hss.ppr', { impi: 'ben@ims.test', profile })).toMatchObject({
      done: true,
      code: 2001,
    });
    expect((await anna.ue.message(ben.ue.impu, 'x')).status).toBe(502);
    call.hangUp();
    expect(await call.ended).toMatchObject({ by: 'us', status: 200 });
    const outcome = await ben.ue.register();
    expect(outcome).toMatchObject({ associatedUris: ['sip:ben@ims.test', 'tel:+15550277'] });
  });

  it.each(['permanent', 'server-change', 'new-server', 'remove-scscf'])(
    'S-70 S-71 an RTR (%s) is answered 2001 while a call is up, and the user may register anew',
    async (reason) => {
      const ben = await net.registered('ben');
      const call = anna.ue.call(ben.ue.impu);
      expect(await call.answered).toBe(true);
      const outcome = await net
        .hss<OrderOutcome>('hss.rtr', { impi: 'ben@ims.test', reason })
        .catch((error: Error) => error);
      if (outcome instanceof Error) throw outcome;
      expect(outcome).toMatchObject({ done: true, code: 2001, findings: [] });
      expect(await net.stateOf('ben@ims.test')).toEqual(['not-registered']);
      call.hangUp();
      await call.ended;
      expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(480);
      await ben.register();
      expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(200);
      await ben.ue.close();
    },
    20_000,
  );

  it('S-70 an RTR that names an identity ends its set', async () => {
    const ben = await net.registered('ben');
    const outcome = await net.hss<OrderOutcome>('hss.rtr', { impi: 'ben@ims.test', impus: ['sip:ben@ims.test'] });
    expect(outcome).toMatchObject({ done: true, code: 2001 });
    expect((await net.callStatus(anna, ben.ue.impu)).status).toBe(480);
  });
});
