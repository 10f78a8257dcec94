import type { CheckList } from './check-list.ts';
import type { Pair } from './traffic.ts';

/** Prints what four associations cost beside four policies: their ratio carries over to machines without ESP. */
export async function measureCost(list: CheckList, { ue, agreement }: Pair, short: boolean): Promise<void> {
  const rounds = short ? 50 : 400;
  await list.check('P-35 the cost of the four associations of a phone', async () => {
    await ue.ask('measure', agreement, 20);
    const sets = await ue.ask('measure', agreement, rounds);
    await ue.ask('measurePolicies', agreement.ue, 20);
    const policies = await ue.ask('measurePolicies', agreement.ue, rounds);
    const [add, remove] = [median(sets.add), median(sets.remove)];
    const [policyAdd, policyRemove] = [median(policies.add), median(policies.remove)];
    return [
      `four associations added in ${add.toFixed(2)} ms and removed in ${remove.toFixed(2)} ms,`,
      `four policies in ${policyAdd.toFixed(2)} and ${policyRemove.toFixed(2)} ms (medians of ${rounds}, emulated):`,
      `${(add / policyAdd).toFixed(1)} and ${(remove / policyRemove).toFixed(1)} times as much`,
    ].join(' ');
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
