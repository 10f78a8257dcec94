import type { Reporter, TestModule } from 'vitest/node';

/**
 * Names the tests that failed first and passed when tried again: what only a busy machine brings to light is to be
 * read, too.
 */
export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        if (test.diagnostic()?.flaky !== true) continue;
        const { errors } = test.result();
        const why = (errors ?? []).map(({ message }) => message).join('; ');
        process.stdout.write(`passed at the second try: ${test.fullName} (first: ${why})\n`);
      }
    }
  }
}
