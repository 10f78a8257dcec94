import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/**
 * Everything that a test file and the processes it starts put under the temporary folder goes into one of its own, which
 * is removed when its tests have ended, however they did.
 */
const before = process.env.TMPDIR;
const folder = mkdtempSync(join(tmpdir(), 'cscf-'));
process.env.TMPDIR = folder;

afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 100 });
});
