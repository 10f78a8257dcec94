import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** How the sources name a finding: in an object, or as the first words given to what makes one. */
const named = /\bid: '([a-z0-9-]+)'|\b(?:note|wrong|bits|breach)\(\s*(?:request, |avps, )?'([a-z0-9-]+)'/g;

it('docs/operating.md has every finding of the lab HSS and PCRF, and no other', () => {
  const found = new Set<string>();
  for (const folder of ['hss', 'pcrf', 'diameter']) {
    for (const file of readdirSync(`${root}lab/${folder}`)) {
      const text = readFileSync(`${root}lab/${folder}/${file}`, 'utf8');
      for (const [, one, other] of text.matchAll(named)) found.add((one ?? other)!);
    }
  }
  expect(found.size).toBeGreaterThan(70);
  const guide = readFileSync(`${root}docs/operating.md`, 'utf8');
  const start = guide.indexOf("## Findings of the lab's HSS and PCRF");
  const section = guide.slice(guide.indexOf('\n| code', start), guide.indexOf('\n## ', start + 3));
  const told = new Set([...section.matchAll(/`([a-z0-9-]+)`/g)].map(([, id]) => id!));
  expect([...told].sort()).toEqual([...found].sort());
});
