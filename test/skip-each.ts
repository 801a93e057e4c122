import { beforeEach } from "vitest";

/** In a `describe`: skips each of its tests, if there is a reason. The summary after the run names it (test/skipped.ts). */
export function skipEach(reason: string | undefined): void {
  beforeEach(({ skip }) => skip(reason !== undefined, reason));
}
