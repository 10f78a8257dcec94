import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { controlCommands } from '#manage/cli/commands';
import { methodsOf } from '#manage/node-methods';
import type { ManagedNode } from '#service/node-status';

const page = readFileSync(new URL('../../docs/management-api.md', import.meta.url), 'utf8');
const roles = ['pcscf', 'icscf', 'scscf'] as const;

/** All methods with the first letters of the nodes that have them. */
function methods() {
  const found = new Map<string, { nodes: string[]; params: string[]; summary: string }>();
  for (const role of roles) {
    const node = {
      status: () => ({ role, name: 'n', version: 'v', peers: [] }),
      ask: () => Promise.resolve(null),
      askAll: () => Promise.resolve([]),
      workers: {},
    } as unknown as ManagedNode;
    for (const { name, params, summary } of methodsOf(node).list()) {
      const named = params.map((param) => `\`${param.name}\`${param.required ? '' : '?'}`);
      const row = found.get(name) ?? { nodes: [], params: named, summary };
      row.nodes.push(role[0]!.toUpperCase());
      found.set(name, row);
    }
  }
  return found;
}

describe('docs/management-api.md', () => {
  it('lists every method with its nodes and parameters, and no other', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    const listed = rows.map((line) => line.slice(2, -2).split(' | '));
    const written = listed.map(([name, nodes, params]) => [
      name!.replaceAll('`', ''),
      nodes,
      [...(params ?? '').matchAll(/(`\w+`\??):/g)].map(([, param]) => param).join(' '),
    ]);
    const expected = [...methods()].map(([name, { nodes, params }]) => [name, nodes.join(' '), params.join(' ')]);
    expect(written.sort()).toEqual(expected.sort());
  });

  it('has a command of cscfctl for every method', () => {
    const commanded = new Set(controlCommands.map(({ method }) => method));
    expect([...methods().keys()].filter((name) => !commanded.has(name))).toEqual(['events.subscribe']);
  });
});
