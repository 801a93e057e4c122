import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildEvent, Phase } from "../../kconfig/progress.js";
import { COMPLETE, type PhaseTimes, readPhaseTimes, remainingPhases, secondsLeft } from "../../kconfig/times.js";

/** What the last builds took, in seconds: every package's phases, and all that comes after the packages. */
interface KnownTimes {
  readonly packages: PhaseTimes;
  readonly finish: number;
}

interface State {
  /** ` (25 of 48 packages done)` */
  readonly count: string;
  /** Seconds still to go; undefined when one of the packages has never been built. */
  readonly left: number | undefined;
}

/**
 * How far a build is. What is done is read from Buildroot's own stamps, so that a build that goes on where
 * another one stopped counts on, and what is left is told from what it took last time.
 */
export class Tracker {
  readonly #output: string;
  readonly #file: string;
  readonly #packages: ReadonlyMap<string, string>;
  readonly #incomplete: Set<string>;
  readonly #began = new Map<string, Partial<Record<Phase, number>>>();
  #last: KnownTimes;
  #finishing: number | undefined;

  private constructor(output: string, file: string, packages: ReadonlyMap<string, string>, last: KnownTimes) {
    this.#output = output;
    this.#file = file;
    this.#packages = packages;
    this.#incomplete = new Set(packages.keys());
    this.#last = last;
  }

  /**
   * @param output Buildroot's `O=`
   * @param file where the times of the last build are kept
   * @param packages every package of the configuration with its directory below `output`
   */
  static async open(output: string, file: string, packages: ReadonlyMap<string, string>): Promise<Tracker> {
    const last = await readFile(file, "utf8").then(
      (text) => JSON.parse(text) as KnownTimes,
      () => ({ packages: {}, finish: 0 }),
    );
    return new Tracker(output, file, packages, last);
  }

  /** Packages that still have something to do. */
  incomplete(): readonly string[] {
    for (const name of this.#incomplete) if (this.#hasStamp(name, COMPLETE)) this.#incomplete.delete(name);
    return [...this.#incomplete];
  }

  /** Where the build is when a line of make's output announces a step. */
  read(event: BuildEvent): State {
    this.#note(event);
    const total = this.#packages.size;
    return { count: ` (${total - this.incomplete().length} of ${total} packages done)`, left: this.left() };
  }

  /** Keeps what this build took for the next one, however far it came. */
  async save(): Promise<void> {
    const log = await readFile(join(this.#output, "build/build-time.log"), "utf8").catch(() => "");
    this.#last = { ...this.#last, packages: { ...this.#last.packages, ...readPhaseTimes(log) } };
    await writeFile(this.#file, `${JSON.stringify(this.#last)}\n`);
  }

  /** All is done: what came after the packages counts too. */
  async finished(): Promise<void> {
    if (this.#finishing !== undefined) this.#last = { ...this.#last, finish: now() - this.#finishing };
    await this.save();
  }

  #note({ package: name, phase }: BuildEvent): void {
    if (name === undefined) {
      if (phase === "finalize") this.#finishing ??= now();
      return;
    }
    const began = this.#began.get(name) ?? {};
    began[phase] ??= now();
    this.#began.set(name, began);
  }

  /** Seconds that the rest took last time; undefined when one of the packages has never been built. */
  left(): number | undefined {
    const time = now();
    const remaining = this.incomplete().map((name) => {
      const began = Object.entries(this.#began.get(name) ?? {});
      const running = Object.fromEntries(began.map(([phase, since]) => [phase, time - since]));
      return { name, phases: remainingPhases((stamp) => this.#hasStamp(name, stamp)), running };
    });
    const finish = Math.max(0, this.#last.finish - (this.#finishing === undefined ? 0 : time - this.#finishing));
    return secondsLeft(this.#last.packages, remaining, finish);
  }

  #hasStamp(name: string, stamp: string): boolean {
    return existsSync(join(this.#output, this.#packages.get(name) ?? "", stamp));
  }
}

/** Seconds of a clock that only goes forward. */
function now(): number {
  return performance.now() / 1000;
}
