import type { FilterContext } from '#ims/filter-context';
import { type CompiledCriteria, nextMatch } from '#ims/filter-criteria';
import { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { explainCriteria } from '#ims/filter-criteria-explanation';
import { ProfileFailure, readUserProfile, type ServiceProfile } from '#ims/user-profile';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import type { Flow } from '#sip/transport/flow';
import type { Bench } from './bench.ts';
import { inviteText } from './message.ts';

const flow: Flow = { listener: 0, transport: 'udp', address: '127.16.0.1', port: 5070, connection: 0 };

const header = (name: string, content: string) =>
  `<SIPHeader><Header>${name}</Header><Content>${content}</Content></SIPHeader>`;
const line = (name: string, content: string) =>
  `<SessionDescription><Line>${name}</Line><Content>${content}</Content></SessionDescription>`;

/** A criterion of four conditions, of which the last one does not hold: all four are asked. */
function criterion(n: number): string {
  const conditions = [
    `<Method>INVITE</Method>`,
    `<SessionCase>0</SessionCase>`,
    [
      header('Accept-Contact', '\\+g\\.3gpp\\.icsi-ref=".*mmtel"'),
      header('Supported', '(^|, )timer'),
      line('m', '^(audio|video) [0-9]+ RTP/AVP'),
      `<RequestURI>^sip:(user|tester)[0-9]{6}@ims[.]test$</RequestURI>`,
      header('P-Access-Network-Info', '^3GPP-E-UTRAN'),
    ][n % 5],
    [
      header('P-Asserted-Identity', `sip:service-${n}@`),
      header('Contact', `user${n}[0-9]+@10[.]`),
      line('rtpmap', `^[0-9]+ EVS-${n}/`),
      `<RequestURI>^sip:[*]${n}[0-9]*[*#]@</RequestURI>`,
      header('X-.*', `code-${n}`),
    ][(n >> 1) % 5],
  ];
  const spts = conditions.map(
    (text) => `<SPT><ConditionNegated>0</ConditionNegated><Group>0</Group>${text}<Extension></Extension></SPT>`,
  );
  return `
    <InitialFilterCriteria><Priority>${n}</Priority>
      <TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF>${spts.join('\n')}</TriggerPoint>
      <ApplicationServer><ServerName>sip:as${n}.ims.test</ServerName><DefaultHandling>0</DefaultHandling></ApplicationServer>
    </InitialFilterCriteria>`;
}

function profileOf(user: number, criteria: string): Buffer {
  return Buffer.from(
    `<IMSSubscription><PrivateID>u${user}@ims.test</PrivateID><ServiceProfile><PublicIdentity><Identity>sip:u${user}@ims.test</Identity></PublicIdentity>${criteria}</ServiceProfile></IMSSubscription>`,
  );
}

function serviceProfile(xml: Buffer): ServiceProfile {
  const profile = readUserProfile(xml);
  if (profile instanceof ProfileFailure) throw new Error(profile.reason);
  return profile.serviceProfiles[0]!;
}

const cache = new FilterCriteriaCache(new Map());
const twenty = Array.from({ length: 20 }, (_, n) => criterion(n)).join('');
const one =
  '<InitialFilterCriteria><Priority>0</Priority><TriggerPoint><SPT><Method>INVITE</Method></SPT><SPT><SessionCase>0</SessionCase></SPT></TriggerPoint><ApplicationServer><ServerName>sip:as</ServerName></ApplicationServer></InitialFilterCriteria>';
const twentyXml = Array.from({ length: 16 }, (_, user) => profileOf(user, twenty));
const oneXml = Array.from({ length: 16 }, (_, user) => profileOf(user, one));
const twentyCompiled = cache.criteriaOf(serviceProfile(twentyXml[0]!));
const oneCompiled = cache.criteriaOf(serviceProfile(oneXml[0]!));
const profiles = twentyXml.map(serviceProfile);
const known = Array.from({ length: 16 }, (_, i) => {
  const text = inviteText.replace('user500001', `user5000${i + 10}`);
  const request = parseMessage(text, flow) as SipRequest;
  if (request.sdp === null) throw new Error('an INVITE without SDP');
  return request;
});
const contextOf = (request: SipRequest): FilterContext => ({
  request,
  sessionCase: 0,
  registered: true,
  registrationType: null,
});

function evaluate(compiled: CompiledCriteria) {
  return (iterations: number): number => {
    let sum = 0;
    for (let i = 0; i < iterations; i++) sum += nextMatch(compiled, -1, contextOf(known[i & 15]!));
    return sum;
  };
}

/** The same with native expressions that are asked of every line, nothing remembered: what it would be without a compiled form. */
const plain = profiles[0]!.filterCriteria.map(({ triggerPoint }) =>
  triggerPoint!.spts.map((spt) => {
    const content = new RegExp('content' in spt ? (spt.content ?? '') : spt.kind === 'request-uri' ? spt.pattern : '');
    const name = new RegExp(
      spt.kind === 'sip-header' ? `^${spt.header}$` : spt.kind === 'session-description' ? spt.line : '',
      'i',
    );
    return { spt, name, content };
  }),
);

/** Filter criteria for the common runner. */
export const benches: readonly Bench[] = [
  {
    name: 'ifc: 20 criteria of 4 SPTs, none matches',
    run: evaluate(twentyCompiled),
    baseline: {
      name: 'text of the message, native expressions',
      run: (iterations) => {
        let sum = 0;
        for (let i = 0; i < iterations; i++) {
          const request = known[i & 15]!;
          for (const spts of plain) {
            const all = spts.every(({ spt, name, content }) => {
              if (spt.kind === 'method') return spt.method === request.method;
              if (spt.kind === 'session-case') return spt.sessionCase === 0;
              if (spt.kind === 'request-uri') return content.test(request.requestUri);
              const lines = spt.kind === 'sip-header' ? inviteText.split('\r\n') : request.body.split('\r\n');
              return lines.some((text) => {
                const at = text.search(/[:=]/);
                return name.test(text.slice(0, at)) && content.test(text.slice(at + 1));
              });
            });
            if (all) sum++;
          }
        }
        return sum;
      },
    },
  },
  { name: 'ifc: 1 criterion of 2 SPTs, matches', run: evaluate(oneCompiled) },
  {
    name: 'ifc: 20 criteria, message and SDP read too',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        sum += nextMatch(twentyCompiled, -1, contextOf(parseMessage(inviteText, flow) as SipRequest));
      }
      return sum;
    },
    baseline: {
      name: 'message and SDP alone',
      run: (iterations) => {
        let sum = 0;
        for (let i = 0; i < iterations; i++) sum += (parseMessage(inviteText, flow) as SipRequest).sdp === null ? 0 : 1;
        return sum;
      },
    },
  },
  {
    name: 'ifc: compiled form of a profile that is known',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += cache.criteriaOf(profiles[i & 15]!).criteria.length;
      return sum;
    },
    baseline: {
      name: 'compiled anew',
      run: (iterations) => {
        let sum = 0;
        for (let i = 0; i < iterations; i++)
          sum += new FilterCriteriaCache(new Map()).criteriaOf(profiles[i & 15]!).criteria.length;
        return sum;
      },
    },
  },
  {
    name: 'ifc: profile of 20 criteria read',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += serviceProfile(twentyXml[i & 15]!).filterCriteria.length;
      return sum;
    },
  },
  {
    name: 'ifc: profile of 1 criterion read',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += serviceProfile(oneXml[i & 15]!).filterCriteria.length;
      return sum;
    },
  },
  {
    name: 'ifc: 20 criteria explained',
    run: (iterations) => {
      let sum = 0;
      for (let i = 0; i < iterations; i++) sum += explainCriteria(twentyCompiled, contextOf(known[i & 15]!)).length;
      return sum;
    },
  },
];
