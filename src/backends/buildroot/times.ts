import type { Phase } from "./events.js";

/** The stamp that Buildroot writes into the directory of a finished package (package/pkg-generic.mk). */
export const COMPLETE = ".stamp_installed";

/** The phases of a package, in order. A phase is done when one of its stamps exists. The user's own source tree is only synced. */
const PHASES: readonly (readonly [Phase, readonly string[]])[] = [
  ["download", [".stamp_downloaded", ".stamp_rsynced"]],
  ["extract", [".stamp_extracted", ".stamp_rsynced"]],
  ["patch", [".stamp_patched", ".stamp_rsynced"]],
  ["configure", [".stamp_configured"]],
  ["build", [".stamp_built"]],
  ["install", [COMPLETE]],
];

/** Steps that have another name in Buildroot's log. */
const STEP_PHASES: Readonly<Record<string, Phase>> = { "actual-download": "download", rsync: "extract" };

export interface PhaseTime {
  readonly seconds: number;
  /** Its share of the build's time: a second in which n steps run in parallel counts as 1/n for each of them. */
  readonly share: number;
}

/** By package and phase. */
export type PhaseTimes = Readonly<Record<string, Readonly<Partial<Record<Phase, PhaseTime>>>>>;

interface Interval {
  readonly name: string;
  readonly step: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The duration of each package's phases, from Buildroot's `build-time.log` with its lines `epoch:start|end:step:package`.
 * A step that ran more than once counts with its last run. A step without an end does not count.
 */
export function readPhaseTimes(log: string): PhaseTimes {
  const ran = intervals(log);
  const last = new Map(ran.map((interval) => [`${interval.name} ${interval.step}`, interval]));
  const shares = sharesOf(ran);
  const times: Record<string, Partial<Record<Phase, PhaseTime>>> = {};
  for (const interval of last.values()) {
    const { name, step, from, to } = interval;
    const phase = STEP_PHASES[step] ?? (step.startsWith("install") ? "install" : (step as Phase));
    times[name] ??= {};
    const sofar = times[name][phase] ?? { seconds: 0, share: 0 };
    times[name][phase] = { seconds: sofar.seconds + to - from, share: sofar.share + (shares.get(interval) ?? 0) };
  }
  return times;
}

function intervals(log: string): readonly Interval[] {
  const open = new Map<string, number>();
  const found: Interval[] = [];
  for (const [, at, edge, step = "", name = ""] of log.matchAll(/^([\d.]+):(start|end) *: *(\S+) *: *(\S+)$/gm)) {
    const key = `${name} ${step}`;
    if (edge === "start") open.set(key, Number(at));
    else found.push({ name, step, from: open.get(key) ?? Number(at), to: Number(at) });
  }
  return found;
}

function sharesOf(ran: readonly Interval[]): ReadonlyMap<Interval, number> {
  const edges = ran.flatMap((interval) => [
    { at: interval.from, interval, open: true },
    { at: interval.to, interval, open: false },
  ]);
  edges.sort((a, b) => a.at - b.at);
  const shares = new Map<Interval, number>();
  const running = new Set<Interval>();
  let before = 0;
  for (const { at, interval, open } of edges) {
    for (const other of running) shares.set(other, (shares.get(other) ?? 0) + (at - before) / running.size);
    if (open) running.add(interval);
    else running.delete(interval);
    before = at;
  }
  return shares;
}

/** The phases of a package that are not done. */
export interface Remaining {
  readonly name: string;
  readonly phases: readonly Phase[];
  /** For each phase that has started, the seconds since its start. */
  readonly running: Readonly<Partial<Record<Phase, number>>>;
}

/** The phases of a package without a stamp in its directory. */
export function remainingPhases(hasStamp: (stamp: string) => boolean): readonly Phase[] {
  if (hasStamp(COMPLETE)) return [];
  return PHASES.filter(([, stamps]) => !stamps.some(hasStamp)).map(([phase]) => phase);
}

/**
 * Seconds that the remaining work took last time. Undefined when one of the packages has never been built.
 * @param finish seconds for everything after the packages: finalization and images
 */
export function secondsLeft(last: PhaseTimes, remaining: readonly Remaining[], finish: number): number | undefined {
  let left = finish;
  for (const { name, phases, running } of remaining) {
    const times = last[name];
    if (times === undefined) return undefined;
    for (const phase of phases) {
      const { seconds, share } = times[phase] ?? { seconds: 0, share: 0 };
      left += share * Math.max(0, 1 - (seconds === 0 ? 1 : (running[phase] ?? 0) / seconds));
    }
  }
  return left;
}
