import { writeFileSync } from 'node:fs';

/** What a run of Vitest did. */
export interface Summary {
  passed: number;
  failed: number;
  /** How many tests were skipped for each reason. */
  skipped: Record<string, number>;
}

/** What Vitest gives to a reporter. The harness does not import Vitest. */
interface TestModule {
  readonly relativeModuleId: string;
  readonly children: { allTests(): Iterable<{ result(): { state: string; note?: string } }> };
}

/** A reporter that writes the summary to the file of SUMMARY_FILE, for `npm run test:all`. */
export default class {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const summary: Summary = { passed: 0, failed: 0, skipped: {} };
    for (const { relativeModuleId, children } of modules) {
      for (const test of children.allTests()) {
        const { state, note: why = `a condition in ${relativeModuleId}` } = test.result();
        if (state === 'passed') summary.passed += 1;
        if (state === 'failed') summary.failed += 1;
        if (state === 'skipped') summary.skipped[why] = (summary.skipped[why] ?? 0) + 1;
      }
    }
    writeFileSync(process.env.SUMMARY_FILE ?? '', JSON.stringify(summary));
  }
}
