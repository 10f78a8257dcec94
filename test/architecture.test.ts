import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Who may import whom: the one copy of the table of docs/architecture.md. A folder may always import from itself.
 */
const mayImport: Record<string, readonly string[]> = {
  'shared/sip': [],
  'shared/diameter': [],
  'shared/store': [],
  'shared/ipsec': [],
  'shared/rtpengine': ['shared/sip'],
  'shared/workers': ['shared/sip', 'shared/diameter', 'shared/ipsec'],
  'shared/ims': ['shared/sip', 'shared/diameter'],
  'shared/sdk': ['shared/sip'],
  'shared/service': ['shared/sip', 'shared/diameter', 'shared/store', 'shared/ipsec', 'shared/workers'],
  'shared/manage': ['shared/service', 'shared/store', 'shared/ims', 'shared/sip', 'shared/diameter', 'shared/workers'],
  'nodes/pcscf': ['shared'],
  'nodes/icscf': ['shared'],
  'nodes/scscf': ['shared'],
  lab: ['shared'],
  test: ['shared', 'nodes', 'lab', 'bench'],
  bench: ['shared', 'nodes', 'lab'],
};

/** Layers inside shared/sip: a folder imports from its own row and those above it. */
const sipLayers: readonly (readonly string[])[] = [
  ['errors', 'reasons', 'message', 'parser', 'header', 'uri', 'auth', 'sdp'],
  ['transport', 'resolver'],
  ['transaction'],
  ['proxy', 'dialog', 'event'],
];

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const aliases = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { imports: Record<string, string> })
  .imports;

function resolveImport(file: string, specifier: string): string | null {
  if (specifier.startsWith('.')) return relative(root, join(root, dirname(file), specifier));
  if (!specifier.startsWith('#')) return null;
  const slash = specifier.indexOf('/');
  const target = aliases[`${specifier.slice(0, slash)}/*`];
  if (target === undefined) throw new Error(`${file}: ${specifier} is no subpath import of package.json`);
  return target.replace('./', '').replace('*', specifier.slice(slash + 1));
}

const files = ['nodes', 'shared', 'lab', 'bench', 'test'].flatMap(sources);
const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )) {
    const target = resolveImport(file, match[2] ?? match[3] ?? match[4]!);
    if (target !== null) found.push({ file, target, typeOnly: match[1] !== undefined });
  }
  return found;
});

function areaOf(file: string): string {
  return Object.keys(mayImport).find((area) => file.startsWith(`${area}/`)) ?? file;
}

describe('architecture', () => {
  it('every folder imports only what the table allows', () => {
    const breaches = imports.filter(({ file, target }) => {
      const from = areaOf(file);
      if (target.startsWith(`${from}/`)) return false;
      return !(mayImport[from] ?? []).some((allowed) => target.startsWith(`${allowed}/`));
    });
    expect(breaches.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it('shared/sip keeps its layers', () => {
    const layerOf = (file: string) => {
      const part = file.split('/')[2]!.replace(/\.ts$/, '');
      return sipLayers.findIndex((layer) => layer.includes(part));
    };
    const own = imports.filter(
      ({ file, target }) => file.startsWith('shared/sip/') && target.startsWith('shared/sip/'),
    );
    expect(own.filter(({ file }) => layerOf(file) < 0).map(({ file }) => file)).toEqual([]);
    // A request carries the flow it came by: that one type is the only thing the lower row knows of the transport.
    const breaches = own.filter(({ file, target, typeOnly }) => {
      if (typeOnly && target === 'shared/sip/transport/flow.ts') return false;
      return layerOf(target) > layerOf(file);
    });
    expect(breaches.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it('has no import cycles', () => {
    const graph = new Map<string, string[]>();
    for (const { file, target, typeOnly } of imports) {
      if (typeOnly) continue;
      graph.set(file, [...(graph.get(file) ?? []), target]);
    }
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('uses no banned file name, default export or barrel', () => {
    const banned = /(^|\/)(utils|helpers|common|types|index)\.ts$/;
    expect(files.filter((file) => banned.test(file))).toEqual([]);
    const defaults = files.filter((file) => /^export default /m.test(readFileSync(join(root, file), 'utf8')));
    expect(defaults).toEqual([]);
    const barrels = files.filter((file) => /^export \* from /m.test(readFileSync(join(root, file), 'utf8')));
    expect(barrels).toEqual([]);
  });

  it('keeps loggers, configuration and the store out of the protocol folders', () => {
    const packages = ['pino', 'ajv', 'yargs', 'prom-client', 'yaml'];
    const protocol = files.filter((file) => file.startsWith('shared/sip/') || file.startsWith('shared/diameter/'));
    const breaches = protocol.filter((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return packages.some((name) => text.includes(`from '${name}'`));
    });
    expect(breaches).toEqual([]);
  });

  it('starts no daemon and runs no code from another folder than lab, test and bin', () => {
    const spawning = files.filter(
      (file) =>
        /^(shared|nodes)\//.test(file) && readFileSync(join(root, file), 'utf8').includes("'node:child_process'"),
    );
    // iproute2, where the kernel can't be spoken to directly.
    const runsIproute = ['shared/ipsec/kernel/ip-batch.ts', 'shared/ipsec/userspace/ip-command.ts'];
    expect(spawning.filter((file) => !runsIproute.includes(file))).toEqual([]);
  });
});
