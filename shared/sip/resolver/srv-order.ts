import type { SrvRecord } from './dns-client.ts';

/**
 * SRV records in the order they are to be tried: by priority, among equals drawn by weight. `random`: 0 up to 1.
 *
 * Source: RFC 2782 (weight); requirement C-16.
 */
export function inSrvOrder(records: readonly SrvRecord[], random: () => number): readonly SrvRecord[] {
  if (records.length < 2) return records;
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) ordered.push(...left.splice(draw(left, random), 1));
  return ordered;
}

/** Position of the next record: one of those of the first priority, which stand at the front, weight 0 first. */
function draw(left: readonly SrvRecord[], random: () => number): number {
  const { priority } = left[0]!;
  let total = 0;
  let count = 0;
  while (count < left.length && left[count]!.priority === priority) total += left[count++]!.weight;
  if (total === 0) return Math.floor(random() * count);
  let wanted = Math.floor(random() * (total + 1));
  for (let i = 0; i < count; i++) {
    wanted -= left[i]!.weight;
    if (wanted <= 0) return i;
  }
  return count - 1;
}
