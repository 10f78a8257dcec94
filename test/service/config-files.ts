import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type ConfigProblem, loadConfig } from '#service/config/config';
import type { Environment } from '#service/config/config-tree';
import type { Role } from '#service/config/schema';

/** A smallest P-CSCF configuration; tests add lines to it. */
export const smallPcscf = `role: pcscf
homeDomain: ims.test
listeners:
  gm: [udp:127.0.0.1:5060]
  mw: [udp:127.0.0.1:5070]
`;

export const smallScscf = `role: scscf
homeDomain: ims.test
listeners: { mw: [udp:127.0.0.1:6060] }
diameter: { peers: [{ host: hss.ims.test, address: 127.0.0.1 }] }
`;

/** Writes files (the first is the main one) into a new folder and gives the main one's path. */
export function writeFiles(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-config-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return join(folder, Object.keys(files)[0]!);
}

/** Loads one text as a configuration. */
export function load(text: string, options: { env?: Environment; sets?: string[]; role?: Role } = {}) {
  return loadConfig({ file: writeFiles({ 'main.yaml': text }), env: {}, ...options }).config;
}

/** The problems of a text; fails when it has none. */
export function problemsOf(
  text: string,
  options: { env?: Environment; sets?: string[]; role?: Role } = {},
): readonly ConfigProblem[] {
  try {
    load(text, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** `line:column path message | suggestion`, for short expectations. */
export function brief(problems: readonly ConfigProblem[]): string[] {
  return problems.map(
    ({ line, column, path, message, suggestion }) =>
      `${line}:${column} ${path}: ${message}${suggestion === undefined ? '' : ` | ${suggestion}`}`,
  );
}
