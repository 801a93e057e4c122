import { readFile, writeFile } from "node:fs/promises";
import { Listr, ListrLogger, ProcessOutput } from "listr2";

/** One step of a pipeline as a person sees it. */
export interface Step {
  readonly title: string;
  /** Does the work; `report` shows what is happening right now; the result is shown after the title when done. */
  readonly run: (report: Report) => Promise<unknown>;
  /** The work itself says how long it still takes: the time it took last would mislead. */
  readonly tellsTimeLeft?: boolean;
  /** Asked when its turn comes; a step that is not wanted any more is left out. */
  readonly wanted?: () => boolean;
}

/** What is happening, and the seconds that the whole step still takes when the work knows. */
export type Report = (text: string, left?: number) => void;

/** Listr's own handler ends the process at once: nothing would be put away, no make stopped, and the exit code would be 127. */
const SIGNALS = { registerSignalListeners: false } as const;

const QUIET_MS = 5000;

/** Seconds that each step took last time, by title: what the time left is guessed from. */
type Times = Record<string, number>;

/**
 * Runs steps one after the other and shows them on stderr: a live list on a terminal, plain lines when
 * stderr is not one or `CI=true`. `timesFile` remembers how long each took.
 */
export async function runSteps(steps: readonly Step[], timesFile: string): Promise<void> {
  const times = await readTimes(timesFile);
  const interactive = process.stderr.isTTY === true && process.env.CI !== "true";
  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) });
  const tasks = steps.map((step) => ({
    title: step.title,
    ...(step.wanted === undefined ? {} : { enabled: step.wanted }),
    task: async (_: unknown, task: { title: string; output: string }): Promise<void> => {
      const began = performance.now();
      let expected = step.tellsTimeLeft === true ? undefined : times[step.title];
      let last = "";
      let shown = began;
      const show = (text: string, left?: number): void => {
        last = text;
        if (left !== undefined) expected = (performance.now() - began) / 1000 + left;
        // Without a terminal every report is a line that stays: one in a while is enough.
        if (!interactive && performance.now() - shown < QUIET_MS) return;
        shown = performance.now();
        const seconds = Math.round((performance.now() - began) / 1000);
        task.output = `${text}${timing(seconds, expected)}`;
      };
      const ticker = interactive ? setInterval(() => show(last), 1000) : undefined;
      try {
        if (!interactive && expected !== undefined && expected > 5) task.output = `takes about ${duration(expected)}`;
        const result = await step.run(show);
        const seconds = (performance.now() - began) / 1000;
        times[step.title] = Math.round(seconds * 10) / 10;
        task.title = `${step.title}${typeof result === "string" ? `: ${result}` : ""}${seconds < 0.1 ? "" : ` (${duration(seconds)})`}`;
      } finally {
        clearInterval(ticker);
      }
    },
  }));
  const list = interactive
    ? new Listr(tasks, { renderer: "default", rendererOptions: { logger, collapseErrors: false, showErrorMessage: false }, ...SIGNALS })
    : new Listr(tasks, { renderer: "simple", rendererOptions: { logger }, ...SIGNALS });
  await list.run();
  await writeFile(timesFile, `${JSON.stringify(times)}\n`).catch(() => {}); // only a guess for next time
}

async function readTimes(file: string): Promise<Times> {
  try {
    const value: unknown = JSON.parse(await readFile(file, "utf8"));
    if (typeof value !== "object" || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number"));
  } catch {
    return {};
  }
}

function timing(seconds: number, expected: number | undefined): string {
  if (seconds < 2) return "";
  if (expected === undefined || seconds > expected) return ` · ${duration(seconds)}`;
  return ` · ${duration(seconds)}, about ${duration(expected - seconds)} left`;
}

/** Seconds as a person says them: `4.2 s`, `38 s`, `2 min 05 s`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
