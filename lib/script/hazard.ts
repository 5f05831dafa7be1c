export type HazardKind =
  /** Interrupted in its middle and run again, it does not do the same. */
  | 'not-repeatable'
  /** What it gives is another thing each time. */
  | 'other-value'
  /** Something runs beside the script. */
  | 'background'
  /** It takes the script's own standard input. */
  | 'standard-input';

/** Something in a script that endangers a restart. */
export interface Hazard {
  /** From 1. */
  readonly line: number;
  readonly kind: HazardKind;
  /** What in the script it is. */
  readonly what: string;
  /** What would happen, in one line. */
  readonly message: string;
}
