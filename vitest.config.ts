import { defineConfig } from 'vitest/config';
import { VerdictReporter } from './test/torture/verdict-reporter.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    reporters: ['default', new VerdictReporter()],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    coverage: { provider: 'v8', include: ['shared/**', 'nodes/**', 'lab/**'] },
  },
});
