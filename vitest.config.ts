import { configDefaults, defineConfig } from 'vitest/config';
import { SecondTries } from './test/second-tries.ts';
import { VerdictReporter } from './test/torture/verdict-reporter.ts';

const inFolders = (...folders: string[]) => folders.map((folder) => `test/${folder}/**/*.test.ts`);

/** Tests of processes and sockets, which get along with another one beside them. */
const processes = inFolders('interop', 'torture', 'ipsec', 'service', 'store', 'lab');
/** Tests of whole networks and of time, which need the machine to themselves. */
const whole = inFolders('flows', 'chaos', 'soak', 'bench', 'fuzz', 'workers');

/** Whole networks on a machine of CI that others use, too: one stall is no verdict. `SecondTries` tells of it. */
const retry = process.env.CI === undefined ? 0 : 1;

/** Where .ci/run wants to read the results. */
const report = process.env.CSCF_TEST_REPORT;
const inFile: ['json', { outputFile: string }][] = report === undefined ? [] : [['json', { outputFile: report }]];

export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/temporary-folders.ts'],
    reporters: ['default', new VerdictReporter(), new SecondTries(), ...inFile],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    coverage: { provider: 'v8', include: ['shared/**', 'nodes/**', 'lab/**'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...processes, ...whole],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'processes', include: processes, maxWorkers: 2, retry, sequence: { groupOrder: 1 } },
      },
      { extends: true, test: { name: 'whole', include: whole, maxWorkers: 1, retry, sequence: { groupOrder: 2 } } },
    ],
  },
});
