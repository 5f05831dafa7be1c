/** A first SIGINT or SIGTERM ends what is being built; a second one also what rbm does on the host. */
export async function underSignals<T>(
  work: (signals: { readonly signal: AbortSignal; readonly killSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const [cancel, kill] = [new AbortController(), new AbortController()];
  const onSignal = () => (cancel.signal.aborted ? kill.abort() : cancel.abort());
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  names.forEach((name) => process.on(name, onSignal));
  try {
    return await work({ signal: cancel.signal, killSignal: kill.signal });
  } finally {
    names.forEach((name) => process.off(name, onSignal));
  }
}
