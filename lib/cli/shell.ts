import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { enterTree } from '../container/enter.js';
import { removeTree } from '../rootfs/move-tree.js';
import { openStore } from '../snapshot/open-store.js';
import { restoreTree } from '../snapshot/restore.js';
import { findStore } from './find-store.js';
import { withProgress } from './progress.js';
import { listening } from './under-signals.js';

/** The best shell that the tree has. */
const SHELL = ['/bin/sh', '-c', 'if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi'];

export function registerShell(program: Command): void {
  program
    .command('shell')
    .description('look around in a snapshot: restores it to a temporary place and removes it afterwards')
    .usage('[options] <hash> [-- COMMAND ...]')
    .argument('<hash>', 'the first digits of a project hash, with @GENERATION for an older one')
    .argument('[command...]', 'runs instead of a shell, and gives its exit status')
    .option('--base <file>', 'the container image, for a snapshot that was stored without it')
    .action(async (name: string, argv: string[], ...[flags, command]: [{ base?: string }, Command]) => {
      const store = await findStore(command.optsWithGlobals<{ store?: string }>().store);
      const base = flags.base === undefined ? null : resolve(flags.base);
      const snapshot = await openStore(store).open(name);
      process.exitCode = await endingOnSignals((signal) =>
        inTemporaryFolder(async (folder) => {
          const dir = join(folder, 'rootfs');
          await withProgress((onProgress) => restoreTree(snapshot, { dir, base, onProgress }));
          return enterTree(dir, { argv: argv.length > 0 ? argv : SHELL, signal });
        }),
      );
    });
}

async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'rbm-resume-shell-'));
  try {
    return await work(folder);
  } finally {
    // Its files belong to ids of the container.
    await removeTree(join(folder, 'rootfs'));
    await rm(folder, { recursive: true, force: true });
  }
}

/** On a signal the work is told to end, and the status becomes that of a process that the signal has ended. */
async function endingOnSignals(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController();
  const received: NodeJS.Signals[] = [];
  const onSignal = (signal: NodeJS.Signals) => {
    // A Ctrl-C is meant for what runs in the terminal, which gets it too.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    received.push(signal);
    stop.abort();
  };
  const status = await listening(onSignal, () => work(stop.signal));
  const [first] = received;
  return first === undefined ? status : 128 + constants.signals[first];
}
