import { isDomain } from './address.ts';
import type { ReportProblem } from './config-problem.ts';
import type { NumbersConfig } from './config-shape.ts';

type DialRule = NumbersConfig['dialPlan'][number];

/** The section as it passed the schema. */
export type RawNumbers = Omit<NumbersConfig, 'dialPlan'> & {
  readonly dialPlan: readonly (Omit<DialRule, 'context'> & { readonly context?: string })[];
};

/** What the `numbers` section is read against. */
export interface NumbersSurroundings {
  /** Lower case. */
  readonly homeDomain: string;
  /** `dns.servers`. */
  readonly dnsServers: readonly string[] | undefined;
  /** Takes what is wrong; `path` begins below `numbers`. */
  readonly problem: ReportProblem;
}

/** Turns `numbers` into its typed form: each phone-context in one spelling; and checks whether ENUM can be asked. */
export function resolveNumbers(raw: RawNumbers, around: NumbersSurroundings): NumbersConfig {
  if (raw.enum !== undefined && raw.enum.servers === undefined && around.dnsServers?.length === 0) {
    around.problem(
      ['enum'],
      'ENUM asks the DNS, but dns.servers is empty',
      'add numbers.enum.servers: [127.0.0.1:53], or leave dns.servers out',
    );
  }
  const dialPlan = raw.dialPlan.map((rule, i) => ({ ...rule, context: contextOf(rule.context, i, around) }));
  return { ...raw, dialPlan };
}

function contextOf(
  written: string | undefined,
  place: number,
  { homeDomain, problem }: NumbersSurroundings,
): DialRule['context'] {
  const context = (written ?? homeDomain).toLowerCase();
  if (!isPhoneContext(context)) {
    problem(
      ['dialPlan', String(place), 'context'],
      `"${context}" is no phone-context`,
      'write a domain such as ims.test, or the beginning of a number such as "+1-555"',
    );
  }
  if (context.startsWith('+')) return context.replaceAll(/[-.()]/g, '');
  return context === homeDomain ? '' : context;
}

/** Source: RFC 3966 3. */
function isPhoneContext(text: string): boolean {
  return text.startsWith('+') ? /^\+[-.()]*[0-9][-.()0-9]*$/.test(text) : isDomain(text);
}
