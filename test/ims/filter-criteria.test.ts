import { describe, expect, it } from 'vitest';
import { compileCriteria, nextMatch } from '#ims/filter-criteria';
import { ProfileFailure, readUserProfile } from '#ims/user-profile';
import {
  about,
  compiledXml,
  criterionXml,
  invite,
  matching,
  profileXml,
  serviceProfile,
} from './filter-criteria-fixture.ts';

const servers = (criteria: string, more = {}) => {
  const compiled = compiledXml(criteria);
  return matching(compiled, about(invite(), more)).map(
    (position) => compiled.criteria[position]!.applicationServer.serverName,
  );
};

/** Conditions that hold (1) or do not (0) for the INVITE, with their groups. */
const condition = (value: 0 | 1, groups: readonly number[], negated = false) =>
  `<SPT><ConditionNegated>${negated ? 1 : 0}</ConditionNegated>${groups.map((group) => `<Group>${group}</Group>`).join('')}<Method>${value === 1 ? 'INVITE' : 'MESSAGE'}</Method></SPT>`;

const matches = (cnf: boolean, ...spts: string[]) =>
  servers(criterionXml(0, 'sip:as', `<ConditionTypeCNF>${cnf ? 1 : 0}</ConditionTypeCNF>${spts.join('')}`)).length ===
  1;

describe('filter criteria', () => {
  it('S-90 are asked in ascending priority, those of one priority in the order of the document', () => {
    const criteria = [
      criterionXml(7, 'sip:d'),
      criterionXml(0, 'sip:a'),
      criterionXml(3, 'sip:b'),
      criterionXml(3, 'sip:c'),
    ];
    expect(servers(criteria.join(''))).toEqual(['sip:a', 'sip:b', 'sip:c', 'sip:d']);
  });

  it('S-90 without a trigger point, or with an empty one, match every request', () => {
    const empty = criterionXml(2, 'sip:empty', '<ConditionTypeCNF>1</ConditionTypeCNF>');
    expect(servers(criterionXml(1, 'sip:none') + empty)).toEqual(['sip:none', 'sip:empty']);
  });

  it('S-90 count for registered users, for unregistered ones, or for both', () => {
    const part = (value: number) => `<ProfilePartIndicator>${value}</ProfilePartIndicator>`;
    const criteria =
      criterionXml(1, 'sip:both') + criterionXml(2, 'sip:reg', '', part(0)) + criterionXml(3, 'sip:unreg', '', part(1));
    expect(servers(criteria)).toEqual(['sip:both', 'sip:reg']);
    expect(servers(criteria, { registered: false, sessionCase: 2 })).toEqual(['sip:both', 'sip:unreg']);
  });

  it('S-91 CNF: one condition of every group has to hold', () => {
    expect(matches(true, condition(1, [0]), condition(0, [0]), condition(1, [1]))).toBe(true);
    expect(matches(true, condition(1, [0]), condition(0, [0]), condition(0, [1]))).toBe(false);
  });

  it('S-91 DNF: all conditions of one group have to hold', () => {
    expect(matches(false, condition(1, [0]), condition(0, [0]), condition(1, [1]))).toBe(true);
    expect(matches(false, condition(1, [0]), condition(0, [0]), condition(0, [1]))).toBe(false);
  });

  it('S-91 a condition belongs to each of its groups, and groups need not stand together', () => {
    const apart = [condition(1, [0, 2]), condition(0, [1]), condition(0, [2]), condition(1, [0]), condition(1, [1])];
    expect(matches(true, ...apart)).toBe(true);
    expect(matches(false, ...apart)).toBe(true);
    expect(matches(false, condition(1, [0, 1]), condition(0, [0]), condition(0, [1]))).toBe(false);
  });

  it('S-91 ConditionNegated turns one condition around', () => {
    expect(matches(false, condition(1, [0]), condition(0, [0], true))).toBe(true);
    expect(matches(false, condition(1, [0], true))).toBe(false);
  });

  it('S-93 are asked of the request as it is now', () => {
    const compiled = compiledXml(
      criterionXml(0, 'sip:a', '<SPT><SIPHeader><Header>X-Done</Header></SIPHeader></SPT>') +
        criterionXml(1, 'sip:b', '<SPT><RequestURI>^tel:</RequestURI></SPT>') +
        criterionXml(
          2,
          'sip:c',
          '<SPT><SessionDescription><Line>m</Line><Content>video</Content></SessionDescription></SPT>',
        ),
    );
    const body = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\n';
    const request = invite(['Content-Type: application/sdp'], body);
    expect(nextMatch(compiled, -1, about(request))).toBe(-1);
    request.headers.set('X-Done', '1');
    request.setRequestUri('tel:+1555');
    request.replaceBody(body.replace('audio', 'video'));
    expect(matching(compiled, about(request))).toEqual([0, 1, 2]);
    request.headers.remove('X-Done');
    expect(matching(compiled, about(request))).toEqual([1, 2]);
  });

  it('S-93 each is met once on the way through the list, also when it goes on matching', () => {
    const compiled = compiledXml(criterionXml(0, 'sip:a') + criterionXml(1, 'sip:b'));
    const context = about(invite());
    expect([
      nextMatch(compiled, -1, context),
      nextMatch(compiled, 0, context),
      nextMatch(compiled, 1, context),
    ]).toEqual([0, 1, -1]);
  });

  it('S-92 say what can never hold', () => {
    const spts =
      '<SPT><ConditionNegated>1</ConditionNegated><RequestURI>(</RequestURI></SPT><SPT><ConditionNegated>1</ConditionNegated><Weather>rain</Weather></SPT>';
    const compiled = compiledXml(criterionXml(5, 'sip:as', `<ConditionTypeCNF>1</ConditionTypeCNF>${spts}`));
    expect(compiled.warnings).toEqual([
      'criterion 5 (sip:as): the expression ( cannot be used: a ( without ); it never holds',
      'criterion 5 (sip:as): this condition is not known; it never holds',
    ]);
    // Not even negated: what cannot be judged leads nowhere.
    expect(nextMatch(compiled, -1, about(invite()))).toBe(-1);
    expect(compileCriteria([]).warnings).toEqual([]);
  });
});

describe('filter criteria in User-Data', () => {
  const failure = (xml: string) => {
    const result = readUserProfile(Buffer.from(xml));
    return result instanceof ProfileFailure ? [result.reason, result.line] : 'read';
  };
  const trigger = (inner: string) => criterionXml(0, 'sip:as', `<SPT>${inner}</SPT>`);

  it('S-23 S-92 are read whatever their namespaces, order, booleans and layout', () => {
    const odd = `<x:InitialFilterCriteria xmlns:x="urn:x">
      <x:ApplicationServer><x:Extension><x:IncludeRegisterResponse> true </x:IncludeRegisterResponse></x:Extension><x:DefaultHandling>SESSION_TERMINATED</x:DefaultHandling><x:ServerName> sip:as <!-- ours --></x:ServerName></x:ApplicationServer>
      <x:TriggerPoint><x:SPT>
        <x:SIPHeader><x:Content>
          <![CDATA["Al<ice>"]]>
        </x:Content><x:Header> Subject </x:Header></x:SIPHeader>
        <x:Group> 3 </x:Group><x:ConditionNegated> FALSE </x:ConditionNegated>
      </x:SPT><x:ConditionTypeCNF>true</x:ConditionTypeCNF></x:TriggerPoint>
      <x:Priority> 12 </x:Priority></x:InitialFilterCriteria>`;
    const profile = serviceProfile(odd);
    expect(profile.filterCriteria).toEqual([
      {
        priority: 12,
        triggerPoint: {
          cnf: true,
          spts: [
            {
              kind: 'sip-header',
              header: 'Subject',
              content: '"Al<ice>"',
              groups: [3],
              negated: false,
              registrationTypes: [],
            },
          ],
        },
        applicationServer: {
          serverName: 'sip:as',
          defaultHandling: 1,
          serviceInfo: '',
          includeRegisterRequest: false,
          includeRegisterResponse: true,
        },
        profilePartIndicator: null,
      },
    ]);
  });

  it('X-D9 are refused when there are too many, with the line', () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `\n${criterionXml(i, 'sip:a')}`).join('');
    expect(failure(profileXml(lines))).toEqual(['more than 256 filter criteria in line 258', 258]);
    const many = Array.from({ length: 10_000 }, (_, i) => `\n${criterionXml(i, 'sip:a')}`).join('');
    expect(failure(profileXml(many))).toEqual([
      expect.stringMatching(/^XML document too large in line \d+$/),
      expect.any(Number),
    ]);
  });

  it('X-D9 are refused when a part of them is too large, with the line', () => {
    const spts = `${'<SPT><Method>A</Method></SPT>'.repeat(128)}\n<SPT><Method>A</Method></SPT>`;
    expect(failure(profileXml(criterionXml(0, 'sip:as', spts)))).toEqual(['too many SPTs in line 2', 2]);
    const hundred = criterionXml(0, 'sip:as', '<SPT><Method>A</Method></SPT>'.repeat(100));
    expect(failure(profileXml(`${hundred}\n`.repeat(11)))).toEqual(['too many SPTs in line 11', 11]);
    const long = 'a'.repeat(1025);
    const wrong = [
      `\n<RequestURI>${long}</RequestURI>`,
      `\n<SIPHeader><Header>${long}</Header></SIPHeader>`,
      `<SIPHeader><Header>a</Header>\n<Content>${long}</Content></SIPHeader>`,
      `\n<SessionDescription><Line>${long}</Line></SessionDescription>`,
      `\n<Method>${long}</Method>`,
    ];
    for (const text of wrong) {
      expect(failure(profileXml(trigger(text)))).toEqual(['an expression that is too long in line 2', 2]);
    }
    const groups = `${'<Group>1</Group>'.repeat(17)}<Method>A</Method>`;
    expect(failure(profileXml(`\n${trigger(groups)}`))).toEqual(['an SPT with too many groups in line 2', 2]);
    expect(failure(profileXml(criterionXml(0, 's'.repeat(1025))))).toEqual([
      'a ServerName that is too long in line 1',
      1,
    ]);
    expect(failure(profileXml(trigger(`<RequestURI>${'a'.repeat(1024)}</RequestURI>`)))).toBe('read');
  });

  it('X-D9 tell the line of what is wrong with the XML', () => {
    const bad = Buffer.from(profileXml('\n\n<!-- \xff -->'), 'latin1');
    expect(readUserProfile(bad)).toMatchObject({ reason: 'XML document is not UTF-8 in line 3', line: 3 });
    expect(failure(profileXml('\n<a>\n</b>'))).toEqual(['end tag does not match a in line 3', 3]);
    expect(failure(`\n<!DOCTYPE a>\n${profileXml('')}`)).toEqual(['DOCTYPE or unknown markup refused in line 2', 2]);
    expect(failure(profileXml('\n<a>&lol;</a>'))).toEqual(['unknown entity refused in line 2', 2]);
  });
});
