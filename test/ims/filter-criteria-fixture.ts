import type { FilterContext } from '#ims/filter-context';
import { type CompiledCriteria, compileCriteria, nextMatch } from '#ims/filter-criteria';
import type { FilterCriterion, ServicePointTrigger } from '#ims/filter-criterion';
import { ProfileFailure, readUserProfile, type ServiceProfile, type UserProfile } from '#ims/user-profile';
import { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import type { Flow } from '#sip/transport/flow';

const flow: Flow = { listener: 0, transport: 'udp', address: '127.0.0.1', port: 5060, connection: 0 };

/** An INVITE with these header lines and this body. */
export function invite(
  lines: readonly string[] = [],
  body = '',
  start = 'INVITE sip:bob@ims.test;user=phone SIP/2.0',
): SipRequest {
  const usual = ['From: <sip:alice@ims.test>;tag=1', 'To: <sip:bob@ims.test>', 'Call-ID: 1', 'CSeq: 1 INVITE'];
  const all = [start, ...usual, ...lines, `Content-Length: ${body.length}`];
  const message = parseMessage(`${all.join('\r\n')}\r\n\r\n${body}`, flow);
  if (message instanceof SipRequest) return message;
  throw new Error('no request');
}

/** The context of an originating request of a registered user, but for what is said. */
export function about(request: SipRequest, more: Partial<FilterContext> = {}): FilterContext {
  return { request, sessionCase: 0, registered: true, registrationType: null, ...more };
}

export function identity(uri: string): string {
  return `<PublicIdentity><Identity>${uri}</Identity></PublicIdentity>`;
}

/** The XML of one criterion: the inside of its TriggerPoint, '' for none. */
export function criterionXml(priority: number, server: string, triggerPoint = '', more = ''): string {
  const point = triggerPoint === '' ? '' : `<TriggerPoint>${triggerPoint}</TriggerPoint>`;
  return `<InitialFilterCriteria><Priority>${priority}</Priority>${point}<ApplicationServer><ServerName>${server}</ServerName></ApplicationServer>${more}</InitialFilterCriteria>`;
}

export function profileXml(criteria: string, user = 'sip:alice@ims.test'): string {
  return `<IMSSubscription><PrivateID>a</PrivateID><ServiceProfile>${identity(user)}${criteria}</ServiceProfile></IMSSubscription>`;
}

export function readProfile(xml: string): UserProfile {
  const profile = readUserProfile(Buffer.from(xml));
  if (profile instanceof ProfileFailure) throw new Error(profile.reason);
  return profile;
}

export function serviceProfile(criteria: string): ServiceProfile {
  return readProfile(profileXml(criteria)).serviceProfiles[0]!;
}

/** The criteria of some XML, compiled. */
export function compiledXml(criteria: string): CompiledCriteria {
  return compileCriteria(serviceProfile(criteria).filterCriteria);
}

/** Positions of all criteria that match, found one after the other. */
export function matching(compiled: CompiledCriteria, context: FilterContext): number[] {
  const found: number[] = [];
  for (let at = nextMatch(compiled, -1, context); at >= 0; at = nextMatch(compiled, at, context)) found.push(at);
  return found;
}

/** A criterion of some SPTs. */
export function criterion(spts: readonly ServicePointTrigger[], cnf = false, priority = 0): FilterCriterion {
  return {
    priority,
    triggerPoint: { cnf, spts },
    applicationServer: {
      serverName: 'sip:as.ims.test',
      defaultHandling: 0,
      serviceInfo: '',
      includeRegisterRequest: false,
      includeRegisterResponse: false,
    },
    profilePartIndicator: null,
  };
}

const plain = { groups: [0], negated: false, registrationTypes: [] } as const;

/** An SPT in one word each, as in `spt({ kind: 'method', method: 'INVITE' })`. */
export function spt(condition: Record<string, unknown>): ServicePointTrigger {
  return { ...plain, ...condition } as unknown as ServicePointTrigger;
}

/** Whether one SPT holds for a request. */
export function holds(
  condition: Record<string, unknown>,
  request: SipRequest,
  more: Partial<FilterContext> = {},
): boolean {
  return nextMatch(compileCriteria([criterion([spt(condition)])]), -1, about(request, more)) === 0;
}
