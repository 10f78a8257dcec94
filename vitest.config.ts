import { configDefaults, defineConfig } from 'vitest/config';
import { VerdictReporter } from './test/torture/verdict-reporter.ts';

/** Tests of running daemons and of time, which need the machine to themselves. */
const whole = [
  'flows',
  'interop',
  'chaos',
  'bench',
  'fuzz',
  'torture',
  'workers',
  'ipsec',
  'service',
  'store',
  'lab',
].map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/temporary-folders.ts'],
    reporters: ['default', new VerdictReporter()],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    coverage: { provider: 'v8', include: ['shared/**', 'nodes/**', 'lab/**'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...whole],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'whole', include: whole, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
