import type { ReportProblem } from './config-problem.ts';
import type { PcrfRuleConfig, RejectionConfig } from './pcrf-config.ts';

type Data = Record<string, unknown>;

/** Code where a rule names none: REQUESTED_SERVICE_NOT_AUTHORIZED. */
const defaultCode = 5063;

/**
 * Turns the rules of a PCRF, which passed the schema, into their typed form. `problem` takes what is wrong, its path
 * begins below `rules`. Source: TS 29.214 5.5.
 */
export function resolvePcrfRules(raw: readonly Data[], problem: ReportProblem): PcrfRuleConfig[] {
  return raw.map((rule, i) => {
    const action = String(rule.action ?? (rule.reject === undefined ? 'accept' : 'reject')) as PcrfRuleConfig['action'];
    if (rule.reject !== undefined && action !== 'reject') {
      const message = `says how to reject, but its action is ${action}`;
      problem([String(i), 'reject'], message, 'write action: reject, or leave one of the two out');
    }
    if (action === 'silent' && Number(rule.delay) > 0) {
      problem([String(i), 'delay'], 'no answer cannot be held back', 'leave delay out');
    }
    const { delay, match } = rule as unknown as Pick<PcrfRuleConfig, 'delay' | 'match'>;
    const name = String(rule.name ?? `rule ${i + 1}`);
    const reject = action === 'reject' ? { reject: rejectionOf((rule.reject ?? {}) as Data) } : {};
    return { name, match, action, delay, ...reject };
  });
}

function rejectionOf(raw: Data): RejectionConfig {
  const code = Number(raw.code ?? defaultCode);
  return { ...raw, code, experimental: (raw.experimental as boolean | undefined) ?? isOfRx(code) };
}

function isOfRx(code: number): boolean {
  return code === 4261 || (code >= 5061 && code <= 5068);
}
