/** Reports the current action of a step, and the seconds until the step ends if they can be estimated. */
export type Report = (text: string, secondsLeft?: number) => void;

/** Throws a HalError if the step would fail. A refusal writes no file and uses no network. */
export type Refusal = () => void | Promise<void>;

/** One step of a plan, as data. */
export interface Step<In, Out> {
  readonly title: string;
  /** Checked for all steps of a plan before the first one runs. */
  readonly refusals?: readonly Refusal[];
  /** Its input is the result of the previous step. */
  readonly run: (input: In, report: Report) => Promise<Out>;
  /** The text after the title of a finished step. */
  readonly result?: (output: Out) => string;
  /** The work itself reports the time left, so the time of the last run is not shown. */
  readonly reportsTimeLeft?: boolean;
}

/**
 * Steps in order. The input of each step is the result of the previous one. A dry run prints the titles and checks the
 * refusals; a real run checks the same refusals and then runs the same steps (`runPlan`).
 */
export class Plan<In, Out> {
  readonly steps: readonly Step<unknown, unknown>[];
  /** For the compiler only: the types decide which plans can follow each other. */
  declare protected readonly types: (input: In) => Out;

  private constructor(steps: readonly Step<unknown, unknown>[]) {
    this.steps = steps;
  }

  /** A plan without steps: it returns its input. */
  static begin<T>(): Plan<T, T> {
    return new Plan([]);
  }

  get titles(): readonly string[] {
    return this.steps.map(({ title }) => title);
  }

  add<Next>(step: Step<Out, Next>): Plan<In, Next> {
    return new Plan([...this.steps, step as Step<unknown, unknown>]);
  }

  /** Adds a step that only some builds need. Its output has the type of its input. */
  addIf<Next extends Out>(needed: boolean, step: Step<Out, Next>): Plan<In, Out> {
    return needed ? this.add(step) : this;
  }

  /** Adds all steps of another plan. */
  concat<Next>(plan: Plan<Out, Next>): Plan<In, Next> {
    return new Plan([...this.steps, ...plan.steps]);
  }

  /** @throws HalError of the first refusal, in the order of the steps */
  async refuse(): Promise<void> {
    for (const { refusals = [] } of this.steps) for (const refusal of refusals) await refusal();
  }
}
