import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildEvent, eventText, type Phase } from "./events.js";
import { COMPLETE, type PhaseTimes, readPhaseTimes, remainingPhases, secondsLeft } from "./times.js";

/** What the last builds took, in seconds: every package's phases, and all that comes after the packages. */
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

/** As many as a line of a terminal has room for. */
const SHOWN = 3;

/**
 * How far a build is. What is done is read from Buildroot's own stamps, so that a build that goes on where
 * another one stopped counts on, and what is left is told from what it took last time.
 */
export class Tracker {
  readonly #output: string;
  readonly #file: string;
  readonly #packages: ReadonlyMap<string, string>;
  readonly #incomplete: Set<string>;
  /** Packages of which something is there already: less to do than from scratch. */
  readonly #again: ReadonlySet<string>;
  readonly #began = new Map<string, Partial<Record<Phase, number>>>();
  /** Each package's latest step, the one that began first before the others. */
  readonly #steps = new Map<string, BuildEvent>();
  #current: BuildEvent | undefined;
  #last: KnownTimes;
  #finishing: number | undefined;

  private constructor(output: string, file: string, packages: ReadonlyMap<string, string>, again: readonly string[], last: KnownTimes) {
    this.#output = output;
    this.#file = file;
    this.#packages = packages;
    this.#incomplete = new Set(packages.keys());
    this.#last = last;
    const begun = this.incomplete().filter((name) => this.#hasStamp(name, ".stamp_configured"));
    this.#again = new Set([...again, ...begun]);
  }

  /**
   * @param output Buildroot's `O=`
   * @param file where the times of the last build are kept
   * @param packages every package of the configuration with its directory below `output`
   * @param again those that are only configured anew
   */
  static async open(output: string, file: string, packages: ReadonlyMap<string, string>, again: readonly string[] = []): Promise<Tracker> {
    const last = await readFile(file, "utf8").then(
      (text) => JSON.parse(text) as KnownTimes,
      () => ({ packages: {} }),
    );
    return new Tracker(output, file, packages, again, last);
  }

  /** Packages that still have something to do. */
  incomplete(): readonly string[] {
    for (const name of this.#incomplete) if (this.#hasStamp(name, COMPLETE)) this.#incomplete.delete(name);
    return [...this.#incomplete];
  }

  /** Takes note of a step that a line of make's output announces. */
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

  /** What is at work right now: a package that prints nothing may be at it for minutes. */
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

  /** Keeps what this build took for the next one, however far it came. */
  async save(): Promise<void> {
    const log = await readFile(join(this.#output, "build/build-time.log"), "utf8").catch(() => "");
    const times = Object.entries(readPhaseTimes(log)).filter(([name]) => this.#began.has(name));
    const packages = Object.fromEntries(times.map(([name, phases]) => [this.#timesName(name), phases]));
    this.#last = { ...this.#last, packages: { ...this.#last.packages, ...packages } };
    await writeFile(this.#file, `${JSON.stringify(this.#last)}\n`);
  }

  /** All is done: what came after the packages counts too. */
  async finished(): Promise<void> {
    if (this.#finishing !== undefined) this.#last = { ...this.#last, finish: now() - this.#finishing };
    await this.save();
  }

  /** Seconds that the rest took last time; undefined when one of the packages, or the end, has never been reached. */
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

  /** What Kbuild compiles after a change, or has still to compile, says nothing about a whole kernel, and the other way round. */
  #timesName(name: string): string {
    return this.#again.has(name) ? `${name} again` : name;
  }

  #remaining(name: string): readonly Phase[] {
    return remainingPhases((stamp) => this.#hasStamp(name, stamp));
  }

  #hasStamp(name: string, stamp: string): boolean {
    return existsSync(join(this.#output, this.#packages.get(name) ?? "", stamp));
  }
}

/** Seconds of a clock that only goes forward. */
function now(): number {
  return performance.now() / 1000;
}
