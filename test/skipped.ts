import type { Reporter, TestModule, Vitest } from "vitest/node";

/**
 * After the run, prints one line for each reason why tests were skipped. A reason is the note of `context.skip(condition, note)`.
 * A test that was skipped without one (`describe.skip`, `test.skipIf`, …) fails the run.
 */
export default class SkippedReporter implements Reporter {
  #isFiltered = false;

  onInit(vitest: Vitest): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const note = "note" in result ? result.note : undefined;
        if (note === undefined && this.#isFiltered) continue; // `-t` leaves it out
        if (note === undefined) process.exitCode = 1;
        const reason = note ?? `${module.moduleId} gives no reason: use context.skip(condition, reason)`;
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    }
    for (const [reason, count] of [...counts].sort()) console.log(`skipped: ${count} ${count === 1 ? "test" : "tests"}: ${reason}`);
  }
}
