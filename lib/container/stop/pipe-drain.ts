import { spawn, type ChildProcess } from 'node:child_process';
import { clearedEnvironment } from '../../exec.js';
import { insideUserNamespaceOf } from './open-files.js';
import type { Order } from './pipe-order.js';

/**
 * Reads pipes to nowhere in place of processes that are stopped: a full pipe would block its writer in the middle of
 * saying goodbye, and `make` says that it deletes a target before it does.
 */
export class PipeDrain {
  readonly #readers = new Map<string, ChildProcess>();
  readonly #namespaceOf: number;

  /** @param namespaceOf the pid of any process of the container */
  constructor(namespaceOf: number) {
    this.#namespaceOf = namespaceOf;
  }

  /** Starts to read what is not yet read. A pipe that is gone by then needs no reader, so a failure is none. */
  open(unread: Order['unread']): void {
    for (const { pid, fd, pipe } of unread) {
      if (this.#readers.has(pipe)) continue;
      const [program, ...args] = [
        ...insideUserNamespaceOf(this.#namespaceOf),
        'cat',
        `/proc/${pid}/fd/${fd}`,
      ];
      const reader = spawn(program, args, { stdio: 'ignore', env: clearedEnvironment() });
      reader.on('error', () => {});
      // Whoever is still unread then gets another one: its end may have been closed while this one started.
      reader.on('exit', () => this.#readers.delete(pipe));
      this.#readers.set(pipe, reader);
    }
  }

  /** Ends every reader that is left. */
  close(): void {
    for (const reader of this.#readers.values()) reader.kill('SIGKILL');
    this.#readers.clear();
  }
}
