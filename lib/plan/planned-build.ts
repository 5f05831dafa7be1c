/** One build that rbm makes: a project with its step and targets. */
export interface PlannedBuild {
  /**
   * Unique in the plan: the project; its step where it occurs with several and this is not `build`; ` (target target…)` where it occurs with
   * several targets; ` for PROJECT`, the first that needs it, where all these are the same, and ` #2`… where that is, too.
   */
  readonly id: string;
  readonly project: string;
  /** The build script's name: `build`, or the `pkg_type` with which it is an input. */
  readonly step: string;
  readonly targets: readonly string[];
  /**
   * Name of the output file; empty where the project has none. Where it holds what can't be told offline, that is `?`, and
   * {@link isNameKnown} is false.
   */
  readonly filename: string;
  /** Its path, relative to the workspace where it lies inside. */
  readonly output: string;
  readonly isNameKnown: boolean;
  /** `kept`: something is parked or a snapshot in the store for this project and file name. */
  readonly state: 'built' | 'kept' | 'to-do';
  /** Whether rbm comes to it: not what only finished builds need. */
  readonly isNeeded: boolean;
  /**
   * Whether `rbm build PROJECT --step STEP --target …` by itself makes this very file. An input file may give its project
   * options that no command line can; then it is only built on the way to what needs it.
   */
  readonly isStandalone: boolean;
  /** ids of the builds that it takes as inputs, directly. */
  readonly needs: readonly string[];
  /** What could not be looked at offline: `sources: need git clone of URL`, `input file X: …`, one line each. */
  readonly unknown: readonly string[];
}

/** What a build is made of, as rbm says it. */
export interface Plan {
  readonly project: string;
  readonly step: string;
  readonly targets: readonly string[];
  /** In an order in which rbm can build them: each after all that it needs; the last one is the project itself. */
  readonly builds: readonly PlannedBuild[];
}
