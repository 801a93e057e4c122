import type { BuildEvent } from "./progress.js";

/** When each step of a build began, in milliseconds after its start, and how long all of it took. */
export interface BuildTimes {
  readonly total: number;
  readonly starts: Readonly<Record<string, number>>;
}

/** Below this a step's own start says nothing about how fast the machine is today. */
const WARM_UP = 20_000;

/** Records a build's times for the next build of the same packages; the clock is the caller's. */
export class TimeRecorder {
  readonly #starts: Record<string, number> = {};

  /** @param elapsed milliseconds since the build began */
  note(event: BuildEvent, elapsed: number): void {
    this.#starts[keyOf(event)] ??= elapsed;
  }

  times(total: number): BuildTimes {
    return { total, starts: this.#starts };
  }
}

/**
 * Milliseconds that a build has still to go, from where the last one was when it began the same step, and
 * how much faster or slower this one has been so far. Undefined for a step that the last build did not have.
 */
export function timeLeft(last: BuildTimes, event: BuildEvent, elapsed: number): number | undefined {
  const start = last.starts[keyOf(event)];
  if (start === undefined || start > last.total) return undefined;
  const pace = start < WARM_UP ? 1 : elapsed / start;
  return Math.round((last.total - start) * pace);
}

function keyOf({ package: name, step }: BuildEvent): string {
  return `${name ?? ""} ${step}`;
}
