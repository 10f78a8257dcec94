import { describe, expect, it } from 'vitest';
import { explainCriteria } from '#ims/filter-criteria-explanation';
import { about, compiledXml, criterionXml, invite } from './filter-criteria-fixture.ts';

const header = (name: string, content: string) =>
  `<SIPHeader><Header>${name}</Header><Content>${content}</Content></SIPHeader>`;

describe('explanation of filter criteria', () => {
  it('S-90 S-91 S-92 says what every condition saw, whether it holds and why', () => {
    const compiled = compiledXml(
      criterionXml(
        3,
        'sip:mmtel',
        '<ConditionTypeCNF>1</ConditionTypeCNF>' +
          '<SPT><Group>4</Group><Method>INVITE</Method></SPT>' +
          `<SPT><Group>4</Group><Group>7</Group><ConditionNegated>1</ConditionNegated>${header('Event', 'reg')}</SPT>` +
          `<SPT><Group>9</Group>${header('Subject', '^urgent$')}</SPT>`,
      ),
    );
    const explained = explainCriteria(compiled, about(invite(['Subject: hello', 'Subject: urgent?'])));
    expect(explained).toEqual([
      {
        position: 0,
        priority: 3,
        serverName: 'sip:mmtel',
        matches: false,
        why: 'in group 9 no condition holds',
        triggers: [
          {
            condition: 'Method INVITE',
            groups: [4],
            negated: false,
            seen: ['INVITE'],
            holds: true,
            why: 'it is that method',
          },
          {
            condition: 'SIPHeader Event ~ reg',
            groups: [4, 7],
            negated: true,
            seen: [],
            holds: true,
            why: 'there is no such header, and the condition is negated',
          },
          {
            condition: 'SIPHeader Subject ~ ^urgent$',
            groups: [9],
            negated: false,
            seen: ['Subject: hello', 'Subject: urgent?'],
            holds: false,
            why: 'the expression is in none of the values',
          },
        ],
      },
    ]);
    // For a management call: nothing in it but data.
    expect(JSON.parse(JSON.stringify(explained))).toEqual(explained);
  });

  const sdp = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\na=ptime:20\r\n';
  const one = (inner: string, request = invite(['Content-Type: application/sdp'], sdp)) => {
    const compiled = compiledXml(criterionXml(0, 'sip:as', `<SPT>${inner}</SPT>`));
    const { seen, holds, why } = explainCriteria(compiled, about(request))[0]!.triggers[0]!;
    return [seen, holds, why];
  };

  it('S-92 has words for every kind of condition', () => {
    const line = (name: string, content: string) =>
      `<SessionDescription><Line>${name}</Line><Content>${content}</Content></SessionDescription>`;
    expect(one('<Method>BYE</Method>')).toEqual([['INVITE'], false, 'it is another method']);
    expect(one('<SessionCase>0</SessionCase>')).toEqual([['0'], true, 'it is that case']);
    expect(one('<SessionCase>1</SessionCase>')).toEqual([['0'], false, 'it is another case']);
    expect(one('<RequestURI>^tel</RequestURI>')).toEqual([
      ['sip:bob@ims.test;user=phone'],
      false,
      'the expression is not in the Request-URI',
    ]);
    expect(one(line('m', '^audio'))).toEqual([['m=audio 1 RTP/AVP 0'], true, 'the expression is in a line']);
    expect(one(line('ptime', '30'))).toEqual([['a=ptime:20'], false, 'the expression is in none of the lines']);
    expect(one(line('b', '.'))).toEqual([[], false, 'there is no such line']);
    expect(one(line('m', '.'), invite())).toEqual([[], false, 'there is no session description']);
    expect(one(line('m', '.'), invite(['Content-Type: application/sdp'], 'm='))).toEqual([
      [],
      false,
      expect.stringMatching(/^the session description is malformed: /),
    ]);
    expect(one('<RequestURI>a**</RequestURI>')).toEqual([
      [],
      false,
      'the expression a** cannot be used: two repetitions in a row',
    ]);
    expect(one('<Nothing/>')).toEqual([[], false, 'this condition is not known']);
    const register = invite([], '', 'REGISTER sip:ims.test SIP/2.0');
    const compiled = compiledXml(
      criterionXml(
        0,
        'sip:as',
        '<SPT><Method>REGISTER</Method><Extension><RegistrationType>2</RegistrationType></Extension></SPT>',
      ),
    );
    expect(explainCriteria(compiled, about(register, { registrationType: 1 }))[0]!.triggers[0]).toMatchObject({
      condition: 'Method REGISTER of RegistrationType 2',
      seen: ['REGISTER', 'registration type 1'],
      why: 'it is another kind of registration',
    });
  });

  it('S-90 says why a criterion matches or not', () => {
    const group = (value: string) => `<SPT><Group>2</Group><Method>${value}</Method></SPT>`;
    const why = (inner: string, more = '', registered = true) =>
      explainCriteria(compiledXml(criterionXml(0, 'sip:as', inner, more)), about(invite(), { registered }))[0]!.why;
    expect(why('')).toBe('has no conditions');
    expect(why(group('INVITE'))).toBe('in group 2 all conditions hold');
    expect(why(group('BYE'))).toBe('in no group do all conditions hold');
    expect(why(`<ConditionTypeCNF>1</ConditionTypeCNF>${group('INVITE')}`)).toBe('in every group a condition holds');
    const part = (value: number) => `<ProfilePartIndicator>${value}</ProfilePartIndicator>`;
    expect(why('', part(1))).toBe('is only for unregistered users');
    expect(why('', part(0), false)).toBe('is only for registered users');
  });

  it('S-92 cuts what is long and shows some of what is many', () => {
    const lines = Array.from({ length: 20 }, (_, i) => `X-A: ${i}${'x'.repeat(1000)}`);
    const [seen] = one(header('X-A', 'none'), invite(lines)) as [string[]];
    expect(seen).toHaveLength(8);
    expect(seen[0]).toHaveLength(203);
  });
});
