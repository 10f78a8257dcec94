import type { SentMessage } from '../worker-harness.ts';

/** One filter criterion of a test profile. */
export interface Criterion {
  readonly server: string;
  /** Session cases that it matches; none: it asks for no case. */
  readonly cases?: readonly number[];
  /** Default: INVITE; '' for any. */
  readonly method?: string;
  /** A header that has to be there. */
  readonly header?: string;
  readonly terminated?: boolean;
  readonly part?: 0 | 1;
}

/** A profile of these identities whose criteria have the priorities 0, 1, 2 and so on. */
export function servicesXml(identities: readonly string[], criteria: readonly Criterion[], extra = ''): string {
  const names = identities.map((text) => {
    const barred = text.startsWith('!') ? '<BarringIndication>1</BarringIndication>' : '';
    return `<PublicIdentity>${barred}<Identity>${text.replace('!', '')}</Identity></PublicIdentity>`;
  });
  return `<?xml version="1.0"?><IMSSubscription><PrivateID>x</PrivateID><ServiceProfile>${names.join('')}${extra}${criteriaXml(criteria)}</ServiceProfile></IMSSubscription>`;
}

/** Filter criteria of the priorities 0, 1, 2 and so on. */
export function criteriaXml(criteria: readonly Criterion[]): string {
  return criteria.map(criterionXml).join('');
}

function criterionXml({ server, cases = [], method = 'INVITE', header, terminated, part }: Criterion, at: number) {
  const spts: string[] = [];
  const spt = (group: number, condition: string) =>
    spts.push(`<SPT><ConditionNegated>0</ConditionNegated><Group>${group}</Group>${condition}</SPT>`);
  if (method !== '') spt(1, `<Method>${method}</Method>`);
  if (header !== undefined) spt(2, `<SIPHeader><Header>${header}</Header></SIPHeader>`);
  for (const sessionCase of cases) spt(3, `<SessionCase>${sessionCase}</SessionCase>`);
  const trigger = `<TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>${spts.join('')}</TriggerPoint>`;
  const handling = `<DefaultHandling>${terminated === true ? 1 : 0}</DefaultHandling>`;
  return [
    `<InitialFilterCriteria><Priority>${at}</Priority>${spts.length === 0 ? '' : trigger}`,
    `<ApplicationServer><ServerName>${server}</ServerName>${handling}</ApplicationServer>`,
    part === undefined ? '' : `<ProfilePartIndicator>${part}</ProfilePartIndicator>`,
    '</InitialFilterCriteria>',
  ].join('');
}

let branches = 0;

/** The message that an application server makes of one it got: its own Route entry is gone, its Via is on top. */
export function proxied(
  message: SentMessage,
  changes: { readonly requestUri?: string; readonly callId?: string; readonly lines?: readonly string[] } = {},
): string {
  const port = message.to.split(':').at(-1);
  const end = message.text.indexOf('\r\n\r\n');
  const [startLine, ...lines] = message.text.slice(0, end).split('\r\n');
  const route = lines.findIndex((line) => line.startsWith('Route:'));
  lines.splice(route, 1);
  const [method] = startLine!.split(' ');
  const uri = changes.requestUri ?? message.requestUri;
  const kept = lines.map((line) =>
    changes.callId !== undefined && line.startsWith('Call-ID:') ? `Call-ID: ${changes.callId}` : line,
  );
  const via = `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bKas${++branches}`;
  return [`${method} ${uri} SIP/2.0`, via, ...kept, ...(changes.lines ?? [])].join('\r\n') + message.text.slice(end);
}
