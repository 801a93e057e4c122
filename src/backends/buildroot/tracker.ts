import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readInside } from "../../lib/links.js";
import { type BuildEvent, eventText, type Phase } from "./events.js";
import { COMPLETE, type PhaseTimes, readPhaseTimes, remainingPhases, secondsLeft } from "./times.js";

/** Durations of the last builds, in seconds: each package's phases, and everything after the packages. */
interface KnownTimes {
  readonly packages: PhaseTimes;
  readonly finish?: number;
}

interface State {
  /** `linux 6.12.91: building, busybox 1.37.0: configuring (25 of 48 packages done)` */
  readonly text: string;
  /** Seconds that the rest took last time; undefined when one of the packages has never been built. */
  readonly left: number | undefined;
}

/** Bytes of the log of times. */
const MOST_LOG_BYTES = 64 * 1024 * 1024;

/** Packages that fit on one line of a terminal. */
const SHOWN = 3;

/**
 * The progress of a build. It counts finished packages by Buildroot's own stamps, so a build that continues an
 * interrupted one counts on from there. It estimates the time left from the last build.
 */
export class Tracker {
  readonly #buildrootOutput: string;
  readonly #file: string;
  readonly #packages: ReadonlyMap<string, string>;
  readonly #incomplete: Set<string>;
  /** Packages that are not built from scratch, which takes less time. */
  readonly #again: ReadonlySet<string>;
  readonly #began = new Map<string, Partial<Record<Phase, number>>>();
  /** Each package's latest step, in the order in which these steps began. */
  readonly #steps = new Map<string, BuildEvent>();
  #current: BuildEvent | undefined;
  #last: KnownTimes;
  #finishing: number | undefined;

  private constructor(
    buildrootOutput: string,
    file: string,
    packages: ReadonlyMap<string, string>,
    again: readonly string[],
    last: KnownTimes,
  ) {
    this.#buildrootOutput = buildrootOutput;
    this.#file = file;
    this.#packages = packages;
    this.#incomplete = new Set(packages.keys());
    this.#last = last;
    const begun = this.incomplete().filter((name) => this.#hasStamp(name, ".stamp_configured"));
    this.#again = new Set([...again, ...begun]);
  }

  /**
   * @param buildrootOutput Buildroot's `O=`
   * @param file keeps the times of the last build
   * @param packages every package of the configuration, with its directory relative to `buildrootOutput`
   * @param again packages that are only configured again
   */
  static async open(
    buildrootOutput: string,
    file: string,
    packages: ReadonlyMap<string, string>,
    again: readonly string[] = [],
  ): Promise<Tracker> {
    const last = await readFile(file, "utf8").then(
      (text) => JSON.parse(text) as KnownTimes,
      () => ({ packages: {} }),
    );
    return new Tracker(buildrootOutput, file, packages, again, last);
  }

  /** Packages that are not finished. */
  incomplete(): readonly string[] {
    for (const name of this.#incomplete) if (this.#hasStamp(name, COMPLETE)) this.#incomplete.delete(name);
    return [...this.#incomplete];
  }

  /** Records a step that a line of make's output announces. */
  note(event: BuildEvent): void {
    const { package: name, phase } = event;
    this.#current = event;
    if (name === undefined) {
      if (phase === "finalize") this.#finishing ??= now();
      return;
    }
    this.#steps.delete(name);
    this.#steps.set(name, event);
    const began = this.#began.get(name) ?? {};
    began[phase] ??= now();
    this.#began.set(name, began);
  }

  /** The packages being built right now: some print nothing for minutes. */
  state(): State {
    const total = this.#packages.size;
    const done = total - this.incomplete().length;
    const running = [...this.#steps]
      .filter(([name, { phase }]) => this.#remaining(name).includes(phase))
      .map(([, event]) => eventText(event));
    const current = this.#current === undefined ? "" : eventText(this.#current);
    const shown = this.#current?.package === undefined || running.length === 0 ? [current] : running.slice(0, SHOWN);
    const more = running.length > shown.length && shown.length === SHOWN ? ` and ${running.length - SHOWN} more` : "";
    return { text: `${shown.join(", ")}${more} (${done} of ${total} packages done)`, left: this.left() };
  }

  /** Keeps the durations of this build for the next one, even of a build that fails. */
  async save(): Promise<void> {
    const log = await readInside(this.#buildrootOutput, "build/build-time.log", MOST_LOG_BYTES).catch(() => "");
    const times = Object.entries(readPhaseTimes(log)).filter(([name]) => this.#began.has(name));
    const packages = Object.fromEntries(times.map(([name, phases]) => [this.#timesName(name), phases]));
    this.#last = { ...this.#last, packages: { ...this.#last.packages, ...packages } };
    await writeFile(this.#file, `${JSON.stringify(this.#last)}\n`);
  }

  /** Records a complete build, including the time after the packages. */
  async finished(): Promise<void> {
    if (this.#finishing !== undefined) this.#last = { ...this.#last, finish: now() - this.#finishing };
    await this.save();
  }

  /** Seconds that the rest took last time; undefined when no build has finished one of the packages, or the images. */
  left(): number | undefined {
    if (this.#last.finish === undefined) return undefined;
    const time = now();
    const remaining = this.incomplete().map((name) => {
      const began = Object.entries(this.#began.get(name) ?? {});
      const running = Object.fromEntries(began.map(([phase, since]) => [phase, time - since]));
      return { name: this.#timesName(name), phases: this.#remaining(name), running };
    });
    const finish = Math.max(0, this.#last.finish - (this.#finishing === undefined ? 0 : time - this.#finishing));
    return secondsLeft(this.#last.packages, remaining, finish);
  }

  /** Kbuild compiles only what changed, so the time of an incremental kernel is kept apart from that of a whole one. */
  #timesName(name: string): string {
    return this.#again.has(name) ? `${name} again` : name;
  }

  #remaining(name: string): readonly Phase[] {
    return remainingPhases((stamp) => this.#hasStamp(name, stamp));
  }

  #hasStamp(name: string, stamp: string): boolean {
    return existsSync(join(this.#buildrootOutput, this.#packages.get(name) ?? "", stamp));
  }
}

/** Seconds of a monotonic clock. */
function now(): number {
  return performance.now() / 1000;
}
