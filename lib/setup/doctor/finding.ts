/** What one check of `rbm-resume doctor` has found. */
export interface Finding {
  /** The stable name of the check, such as `program/zstd`. */
  readonly check: string;
  /** `problem`: builds can't be kept or resumed. `warning`: they can, with a loss that `message` names. */
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What a person can do about it; `null` when all is well. */
  readonly cure: string | null;
}

export const ok = (check: string, message: string): Finding => ({ check, status: 'ok', message, cure: null });

export const warning = (check: string, message: string, cure: string): Finding => ({
  check,
  status: 'warning',
  message,
  cure,
});

export const problem = (check: string, message: string, cure: string): Finding => ({
  check,
  status: 'problem',
  message,
  cure,
});

export const debianInstall = (packages: readonly string[]): string =>
  `apt-get install ${[...new Set(packages)].join(' ')}`;
