import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./test/skipped.ts"],
    hideSkippedTests: true, // the second reporter counts them
    // Tests see the schemas and templates as they are, not as they were when somebody last compiled.
    globalSetup: "scripts/compile-ahead.ts",
    projects: [
      { test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/image/**"], testTimeout: 60_000 } },
      // Real builds and boots, one after the other: two cores and one QEMU at a time.
      { test: { name: "image", include: ["test/image/**/*.test.ts"], testTimeout: 1_200_000, hookTimeout: 1_200_000, poolOptions: { forks: { singleFork: true } } } },
    ],
  },
});
