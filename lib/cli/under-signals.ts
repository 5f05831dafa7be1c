export interface Signals {
  /** As a deadline. */
  readonly interruptSignal: AbortSignal;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
}

/** npx whose shell is bash hands on a Ctrl-C that the terminal has sent as well; systemd sends SIGHUP with its SIGTERM. */
const ECHO_MS = 300;

/**
 * A first SIGINT or SIGTERM ends what is being built, within seconds; a second one also what rbm does on the host. A person
 * at a terminal is in no such hurry as a CI service that cancels a job: there a first Ctrl-C is taken for a deadline, and
 * the second one for the first.
 */
export async function underSignals<T>(work: (signals: Signals) => Promise<T>): Promise<T> {
  const [interrupt, cancel, kill] = [new AbortController(), new AbortController(), new AbortController()];
  let last: { readonly name: NodeJS.Signals; readonly at: number } | null = null;
  const onSignal = (name: NodeJS.Signals) => {
    const now = performance.now();
    const isEcho = last !== null && now - last.at < ECHO_MS && (last.name === name || cancel.signal.aborted);
    last = { name, at: now };
    if (isEcho) return;
    if (cancel.signal.aborted) kill.abort();
    else if (name === 'SIGINT' && isAtTerminal() && !interrupt.signal.aborted) interrupt.abort();
    else cancel.abort();
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  names.forEach((name) => process.on(name, onSignal));
  try {
    return await work({
      interruptSignal: interrupt.signal,
      signal: cancel.signal,
      killSignal: kill.signal,
    });
  } finally {
    names.forEach((name) => process.off(name, onSignal));
  }
}

/** Whether a Ctrl-C may have been typed. */
export const isAtTerminal = (): boolean => process.stdin.isTTY || process.stderr.isTTY;
