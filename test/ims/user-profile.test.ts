import { describe, expect, it } from 'vitest';
import {
  aliasesOf,
  findIdentity,
  implicitRegistrationSet,
  ProfileFailure,
  readUserProfile,
  type UserProfile,
} from '#ims/user-profile';
import { quickest } from '../torture/quickest.ts';

function read(text: string): UserProfile {
  const result = readUserProfile(Buffer.from(text, 'utf8'));
  if (result instanceof ProfileFailure) throw new Error(result.reason);
  return result;
}

function refusal(text: string | Buffer): string {
  const result = readUserProfile(typeof text === 'string' ? Buffer.from(text, 'utf8') : text);
  return result instanceof ProfileFailure ? result.reason : 'read';
}

function subscription(...profiles: string[]): string {
  const inner = profiles.map((profile) => `<ServiceProfile>${profile}</ServiceProfile>`).join('');
  return `<IMSSubscription><PrivateID>user@ims.test</PrivateID>${inner}</IMSSubscription>`;
}

function identity(uri: string, rest = ''): string {
  return `<PublicIdentity><Identity>${uri}</Identity>${rest}</PublicIdentity>`;
}

const RICH = `\ufeff
<?xml version="1.0" encoding="UTF-8"?>
<c:IMSSubscription xmlns:c="urn:3gpp">
  <c:ServiceProfile>
    <Unknown><Deep/></Unknown>
    <InitialFilterCriteria>
      <ApplicationServer>
        <Extension><IncludeRegisterRequest/><Extension><IncludeRegisterResponse>0</IncludeRegisterResponse></Extension></Extension>
        <ServiceInfo><![CDATA[<info a="1"/>]]></ServiceInfo>
        <DefaultHandling> 1 </DefaultHandling>
        <ServerName>
          sip:as2.ims.test;lr
        </ServerName>
      </ApplicationServer>
      <ProfilePartIndicator>1</ProfilePartIndicator>
      <TriggerPoint>
        <SPT><Group>0</Group><Group>2</Group><ConditionNegated>true</ConditionNegated><SIPHeader><Header>^Event$</Header><Content>reg </Content></SIPHeader></SPT>
        <SPT><Group>1</Group><SIPHeader><Header>Accept-Contact</Header></SIPHeader></SPT>
        <SPT><Group>1</Group><RequestURI>^sip:.*&amp;x</RequestURI></SPT>
        <SPT><Group>1</Group><SessionDescription><Line>m</Line><Content>video</Content></SessionDescription></SPT>
        <SPT><Group>1</Group><SessionCase>4</SessionCase></SPT>
        <SPT><Group>1</Group><SessionCase>x</SessionCase></SPT>
        <SPT><Group>1</Group><Weather>rain</Weather></SPT>
        <ConditionTypeCNF>1</ConditionTypeCNF>
      </TriggerPoint>
      <Priority>7</Priority>
    </InitialFilterCriteria>
    <InitialFilterCriteria>
      <Priority>3</Priority>
      <TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF>
        <SPT><ConditionNegated>0</ConditionNegated><Method>REGISTER</Method><Extension><RegistrationType>0</RegistrationType><RegistrationType>2</RegistrationType></Extension></SPT>
      </TriggerPoint>
      <ApplicationServer><ServerName>sip:as1.ims.test</ServerName></ApplicationServer>
    </InitialFilterCriteria>
    <InitialFilterCriteria><Priority>3</Priority><ApplicationServer><ServerName>sip:as0.ims.test</ServerName><DefaultHandling>0</DefaultHandling></ApplicationServer></InitialFilterCriteria>
    <c:PublicIdentity>
      <c:Extension><c:IdentityType>0</c:IdentityType><c:Extension><c:DisplayName>Zo\u00eb</c:DisplayName><c:AliasIdentityGroupID>g1</c:AliasIdentityGroupID><c:Extension><c:WildcardedIMPU/><c:ServicePriorityLevel>2</c:ServicePriorityLevel></c:Extension></c:Extension></c:Extension>
      <c:Identity> sip:Zoe@IMS.test </c:Identity>
      <c:BarringIndication>false</c:BarringIndication>
    </c:PublicIdentity>
    <PublicIdentity><BarringIndication>true</BarringIndication><Identity>tel:+1-555-0001</Identity></PublicIdentity>
    <PublicIdentity><Identity>sip:!.*!@ims.test</Identity><Extension><IdentityType>4</IdentityType><Extension><Extension><WildcardedIMPU>sip:!.*!@ims.test</WildcardedIMPU></Extension></Extension></Extension></PublicIdentity>
    <CoreNetworkServicesAuthorization><SubscribedMediaProfileId>5</SubscribedMediaProfileId><Extension><ListOfServiceIds><ServiceId>urn:urn-7:3gpp-service.ims.icsi.mmtel</ServiceId><ServiceId/></ListOfServiceIds></Extension></CoreNetworkServicesAuthorization>
    <Extension><SharedIFCSetID>4</SharedIFCSetID><SharedIFCSetID>-1</SharedIFCSetID><Extension><SharedIFCSetID>9</SharedIFCSetID></Extension></Extension>
  </c:ServiceProfile>
  <PrivateID>user@ims.test</PrivateID>
</c:IMSSubscription>`;

describe('user profiles of Cx', () => {
  it('S-23 reads identities at any nesting of Extension, in any order and namespace', () => {
    const profile = read(RICH.trim());
    expect(profile.privateId).toBe('user@ims.test');
    expect(profile.serviceProfiles).toHaveLength(1);
    const [zoe, phone, wildcard] = profile.serviceProfiles[0]!.publicIdentities;
    expect(zoe).toEqual({
      identity: 'sip:Zoe@IMS.test',
      key: 'sip:Zoe@ims.test',
      barred: false,
      identityType: 0,
      wildcardedPsi: '',
      wildcardedImpu: '',
      displayName: Buffer.from('Zo\u00eb', 'utf8').toString('latin1'),
      aliasGroup: 'g1',
      servicePriorityLevel: '2',
    });
    expect(phone).toMatchObject({ identity: 'tel:+1-555-0001', key: 'tel:+15550001', barred: true, aliasGroup: '' });
    expect(wildcard).toMatchObject({ identityType: 4, wildcardedImpu: 'sip:!.*!@ims.test' });
    expect(profile.serviceProfiles[0]?.coreNetworkServicesAuthorization).toEqual({
      subscribedMediaProfileId: 5,
      serviceIds: ['urn:urn-7:3gpp-service.ims.icsi.mmtel'],
    });
    expect(profile.serviceProfiles[0]?.sharedIfcSetIds).toEqual([4, 9]);
    expect(profile.warnings).toContain('blanks around the identity sip:Zoe@IMS.test were cut off');
  });

  it('S-90 S-92 reads filter criteria in order of priority with every kind of condition', () => {
    const criteria = read(RICH.trim()).serviceProfiles[0]!.filterCriteria;
    expect(criteria.map((criterion) => [criterion.priority, criterion.applicationServer.serverName])).toEqual([
      [3, 'sip:as1.ims.test'],
      [3, 'sip:as0.ims.test'],
      [7, 'sip:as2.ims.test;lr'],
    ]);
    expect(criteria[0]?.triggerPoint).toEqual({
      cnf: false,
      spts: [{ groups: [0], negated: false, registrationTypes: [0, 2], kind: 'method', method: 'REGISTER' }],
    });
    expect(criteria[0]?.profilePartIndicator).toBeNull();
    expect(criteria[1]?.triggerPoint).toBeNull();
    expect(criteria[2]?.profilePartIndicator).toBe(1);
    expect(criteria[2]?.applicationServer).toEqual({
      serverName: 'sip:as2.ims.test;lr',
      defaultHandling: 1,
      serviceInfo: '<info a="1"/>',
      includeRegisterRequest: true,
      includeRegisterResponse: false,
    });
    const one = { groups: [1], negated: false, registrationTypes: [] };
    expect(criteria[2]?.triggerPoint).toEqual({
      cnf: true,
      spts: [
        {
          groups: [0, 2],
          negated: true,
          registrationTypes: [],
          kind: 'sip-header',
          header: '^Event$',
          content: 'reg ',
        },
        { ...one, kind: 'sip-header', header: 'Accept-Contact', content: null },
        { ...one, kind: 'request-uri', pattern: '^sip:.*&x' },
        { ...one, kind: 'session-description', line: 'm', content: 'video' },
        { ...one, kind: 'session-case', sessionCase: 4 },
        { ...one, kind: 'unknown' },
        { ...one, kind: 'unknown' },
      ],
    });
  });

  it('S-23 leaves out criteria that name no server or priority, and says so', () => {
    const profile = read(
      subscription(
        identity('sip:a@ims.test') +
          '<InitialFilterCriteria><Priority>1</Priority></InitialFilterCriteria>' +
          '<InitialFilterCriteria><ApplicationServer><ServerName>sip:x</ServerName></ApplicationServer></InitialFilterCriteria>' +
          '<PublicIdentity/>',
      ),
    );
    expect(profile.serviceProfiles[0]?.filterCriteria).toEqual([]);
    expect(profile.warnings).toEqual([
      'filter criterion without ServerName was left out',
      'filter criterion without Priority was left out',
      'a PublicIdentity without Identity was left out',
    ]);
  });

  it('S-24 takes the first identity that is not barred as default, over all service profiles', () => {
    const profile = read(
      subscription(
        identity('sip:barred@ims.test', '<BarringIndication>1</BarringIndication>') +
          identity('sip:psi@ims.test', '<Extension><IdentityType>1</IdentityType></Extension>'),
        identity('tel:+15550001') + identity('sip:a@ims.test') + identity('sip:a@IMS.TEST'),
      ),
    );
    const set = implicitRegistrationSet(profile);
    expect(set.defaultIdentity?.identity).toBe('tel:+15550001');
    expect(set.associated.map((member) => member.identity)).toEqual(['tel:+15550001', 'sip:a@ims.test']);
    expect(set.identities.map((member) => member.identity)).toEqual([
      'sip:barred@ims.test',
      'tel:+15550001',
      'sip:a@ims.test',
    ]);
  });

  it('S-24 prefers a distinct identity to a wildcard that stands before it', () => {
    const profile = read(
      subscription(
        identity('sip:!x!@ims.test', '<Extension><IdentityType>4</IdentityType></Extension>') +
          identity('sip:a@ims.test'),
      ),
    );
    expect(implicitRegistrationSet(profile).associated.map((member) => member.identity)).toEqual([
      'sip:a@ims.test',
      'sip:!x!@ims.test',
    ]);
  });

  it('S-25 has no default identity when all are barred', () => {
    const set = implicitRegistrationSet(
      read(subscription(identity('sip:a@ims.test', '<BarringIndication>1</BarringIndication>'))),
    );
    expect(set.defaultIdentity).toBeNull();
    expect(set.associated).toEqual([]);
    expect(set.identities).toHaveLength(1);
  });

  it('S-24 S-110 finds aliases by group, or within the service profile where there is none', () => {
    const group = (id: string) =>
      `<Extension><Extension><AliasIdentityGroupID>${id}</AliasIdentityGroupID></Extension></Extension>`;
    const profile = read(
      subscription(
        identity('sip:a@ims.test') +
          identity('tel:+1') +
          identity('sip:g@ims.test', group('1')) +
          identity('tel:+9', '<BarringIndication>1</BarringIndication>'),
        identity('sip:b@ims.test') + identity('tel:+2', group('1')) + identity('tel:+3', group('2')),
      ),
    );
    const aliases = (impu: string) => aliasesOf(profile, impu).map((alias) => alias.identity);
    expect(aliases('sip:a@ims.test')).toEqual(['tel:+1']);
    expect(aliases('tel:+1')).toEqual(['sip:a@ims.test']);
    expect(aliases('sip:g@ims.test')).toEqual(['tel:+2']);
    expect(aliases('sip:b@ims.test')).toEqual([]);
    expect(aliases('tel:+3')).toEqual([]);
    expect(aliases('sip:nobody@ims.test')).toEqual([]);
    expect(findIdentity(profile, 'tel:+2')?.serviceProfile).toBe(profile.serviceProfiles[1]);
    expect(findIdentity(profile, 'tel:+4')).toBeNull();
  });

  it('S-26 keeps what is no URI as it is, with a warning unless it is a wildcard', () => {
    const profile = read(
      subscription(
        identity('alice') + identity('sip:!a b!@x', '<Extension><IdentityType>2</IdentityType></Extension>'),
      ),
    );
    expect(profile.serviceProfiles[0]?.publicIdentities.map((member) => member.key)).toEqual(['alice', 'sip:!a b!@x']);
    expect(profile.warnings).toEqual(['identity alice is no sip or tel URI']);
  });

  it.each([
    ['', 'no root element in line 1'],
    ['<a/>', 'root element is not IMSSubscription in line 1'],
    ['<IMSSubscription/>', 'no public identity in line 1'],
    [subscription(''), 'no public identity in line 1'],
    [subscription(identity(' \n ')), 'no public identity in line 1'],
    [
      `<!DOCTYPE x [<!ENTITY a "b">]>${subscription(identity('sip:a@b'))}`,
      'DOCTYPE or unknown markup refused in line 1',
    ],
  ])('X-D9 refuses %j', (text, reason) => {
    expect(refusal(text)).toBe(reason);
  });

  it('X-D9 survives deep nesting, size, wrong charset and thousands of criteria', () => {
    expect(refusal(`<IMSSubscription>${'<a>'.repeat(100_000)}`)).toMatch(/nested too deeply/);
    expect(refusal(Buffer.alloc(10 * 1024 ** 2, 0x61))).toMatch(/too large/);
    expect(refusal(Buffer.from(subscription(identity('sip:\xff@ims.test')), 'latin1'))).toMatch(/not UTF-8/);
    const criterion =
      '<InitialFilterCriteria><Priority>1</Priority><TriggerPoint><SPT><Method>(a+)+$</Method></SPT></TriggerPoint><ApplicationServer><ServerName>sip:a</ServerName></ApplicationServer></InitialFilterCriteria>';
    const many = subscription(identity('sip:a@ims.test') + criterion.repeat(256));
    expect(read(many).serviceProfiles[0]?.filterCriteria).toHaveLength(256);
    expect(quickest(100, () => read(many))).toBeLessThan(100);
    const warned = read(subscription(identity('sip:a@ims.test') + '<PublicIdentity/>'.repeat(1000)));
    expect(warned.warnings).toHaveLength(20);
  });

  it('X-S14 has no trouble with names out of Object.prototype', () => {
    const profile = read(
      subscription(`${identity('sip:__proto__@ims.test')}<__proto__><Identity>x</Identity></__proto__><constructor/>`),
    );
    expect(findIdentity(profile, 'sip:__proto__@ims.test')).not.toBeNull();
    expect(findIdentity(profile, '__proto__')).toBeNull();
  });
});
