import { readFile, writeFile } from "node:fs/promises";
import { Listr, ListrLogger, ProcessOutput } from "listr2";
import { printableLine } from "./errors.js";
import type { Plan } from "./plan.js";

/**
 * Listr's own signal handler ends the process at once with exit code 127. hal handles signals itself: it stops its
 * children, removes its temporary directories and exits with 130.
 */
const SIGNALS = { registerSignalListeners: false } as const;

/** The time between two reports without a terminal, where every report is a new line. */
const QUIET_MS = 5000;

/** The duration of each step in its last run, in seconds, by title. It gives the estimate of the time left. */
type Times = Record<string, number>;

/**
 * Runs the steps of a plan in order and shows them on stderr: a live list on a terminal, plain lines when stderr is
 * not a terminal or `CI=true`.
 * @param input the input of the first step
 * @param timesFile stores the duration of each step
 * @returns the result of the last step
 */
export async function runPlan<In, Out>(plan: Plan<In, Out>, input: In, timesFile: string): Promise<Out> {
  const times = await readTimes(timesFile);
  const interactive = process.stderr.isTTY === true && process.env.CI !== "true";
  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) });
  let value: unknown = input;
  let failure: { readonly error: unknown } | undefined;
  const tasks = plan.steps.map((step) => ({
    title: printableLine(step.title),
    task: async (_: unknown, task: { title: string; output: string }): Promise<void> => {
      const title = printableLine(step.title);
      const began = performance.now();
      let expected = step.reportsTimeLeft === true ? undefined : times[step.title];
      let last = "";
      let shown = began;
      const show = (text: string, secondsLeft?: number): void => {
        last = text;
        if (secondsLeft !== undefined) expected = (performance.now() - began) / 1000 + secondsLeft;
        if (!interactive && performance.now() - shown < QUIET_MS) return;
        shown = performance.now();
        const seconds = Math.round((performance.now() - began) / 1000);
        task.output = `${printableLine(text)}${timing(seconds, expected)}`;
      };
      const ticker = interactive ? setInterval(() => show(last), 1000) : undefined;
      try {
        if (!interactive && expected !== undefined && expected > 5) task.output = `takes about ${duration(expected)}`;
        value = await step.run(value, show);
        const seconds = (performance.now() - began) / 1000;
        times[step.title] = Math.round(seconds * 10) / 10;
        const result = step.result === undefined ? "" : `: ${step.result(value)}`;
        task.title = `${title}${printableLine(result)}${seconds < 0.1 ? "" : ` (${duration(seconds)})`}`;
      } catch (error) {
        failure = { error };
        throw new Error(printableLine(error instanceof Error ? error.message : String(error))); // Listr prints the message
      } finally {
        clearInterval(ticker);
      }
    },
  }));
  const list = interactive
    ? new Listr(tasks, { renderer: "default", rendererOptions: { logger, collapseErrors: false, showErrorMessage: false }, ...SIGNALS })
    : new Listr(tasks, { renderer: "simple", rendererOptions: { logger }, ...SIGNALS });
  await list.run().catch((error) => {
    throw failure === undefined ? error : failure.error;
  });
  await writeFile(timesFile, `${JSON.stringify(times)}\n`).catch(() => {}); // the next run then shows no estimate
  return value as Out; // the types of Plan ensure that each step accepts the result of the previous one
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

/** Seconds for a person: `4.2 s`, `38 s`, `2 min 05 s`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
