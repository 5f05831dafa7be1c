export interface Signals {
  /** As a deadline. */
  readonly interruptSignal: AbortSignal;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
  /** How many more signals it takes, at a terminal Ctrl-C, until `killSignal`. */
  readonly left: () => number;
}

/** npx whose shell is bash hands on a Ctrl-C that the terminal has sent as well; systemd sends SIGHUP with its SIGTERM. */
const ECHO_MS = 300;

/**
 * A first SIGINT or SIGTERM ends what is being built, within seconds; a second one also what rbm does on the host. A person
 * at a terminal is in no such hurry as a CI service that cancels a job: there a first Ctrl-C is taken for a deadline, and
 * the second one for the first.
 * @param options.keepsNothing what is cancelled is not gone on with, so a deadline would leave it time for nothing
 */
export async function underSignals<T>(
  work: (signals: Signals) => Promise<T>,
  options: { readonly keepsNothing?: boolean } = {},
): Promise<T> {
  const [interrupt, cancel, kill] = [new AbortController(), new AbortController(), new AbortController()];
  const mayInterrupt = () => !options.keepsNothing && isAtTerminal() && !interrupt.signal.aborted;
  let last: { readonly name: NodeJS.Signals; readonly at: number } | null = null;
  const onSignal = (name: NodeJS.Signals) => {
    const now = performance.now();
    const isEcho = last !== null && now - last.at < ECHO_MS && (last.name === name || cancel.signal.aborted);
    last = { name, at: now };
    if (isEcho) return;
    if (cancel.signal.aborted) kill.abort();
    else if (name === 'SIGINT' && mayInterrupt()) interrupt.abort();
    else cancel.abort();
  };
  const signals: Signals = {
    interruptSignal: interrupt.signal,
    signal: cancel.signal,
    killSignal: kill.signal,
    left: () => {
      if (kill.signal.aborted) return 0;
      if (cancel.signal.aborted) return 1;
      return mayInterrupt() ? 3 : 2;
    },
  };
  return listening(onSignal, () => work(signals));
}

/** Does the work while each signal that would end the process goes to `onSignal` instead. */
export async function listening<T>(
  onSignal: (name: NodeJS.Signals) => void,
  work: () => Promise<T>,
): Promise<T> {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  names.forEach((name) => process.on(name, onSignal));
  try {
    return await work();
  } finally {
    names.forEach((name) => process.off(name, onSignal));
  }
}

/** Says how a person stops what would not end by itself. */
export function describeLeft(left: number): string {
  const what = isAtTerminal() ? 'Ctrl-C' : left === 1 ? 'signal' : 'signals';
  if (left <= 1) return `another ${what} stops`;
  return `${left === 2 ? 'two' : 'three'} more ${what} stop`;
}

/** Whether a Ctrl-C may have been typed. */
const isAtTerminal = (): boolean => process.stdin.isTTY || process.stderr.isTTY;
