import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  realpath,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../../../lib/errors.js';
import { execInIdMap } from '../../../lib/id-map.js';

export interface TinyContainerOptions {
  /** The build script, `./build` in `/work`, with its `#!` line. @default interpreter `/bin/bash` */
  readonly script: string;
  /** More files, by their name in `/work`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether the script runs as root of the container, as rbm's `pre` and `post` do. @default false: as another user */
  readonly isRoot?: boolean;
  /** Whether all of it is started with SIGINT ignored, as a shell starts a job in the background. */
  readonly ignoresInterrupt?: boolean;
}

/** A live container of a script, made of this host's own programs. */
export interface TinyContainer {
  readonly dir: string;
  /** The pid of the runner as it sees it itself. */
  readonly runnerNsPid: number;
  /** Resolves when nothing of the container lives any more. */
  readonly ended: Promise<void>;
  /** A path of the container as a path of the host. */
  path(inside: string): string;
  /** What a file in `/work` holds, `null` when it is not there. */
  read(name: string): Promise<string | null>;
  /** Waits until a file in `/work` is there and not empty. */
  waitFor(name: string): Promise<string>;
  /** What the runner recorded at the end: the exit status of the script and the names that were left in `/work`. */
  end(): Promise<{ readonly status: number; readonly left: readonly string[] }>;
  /** The host's pids and command lines of what has its root in the container, found by other means than the product's. */
  alive(): { readonly pid: number; readonly command: string }[];
  /** Waits until a process with this command line is there: a fork becomes its own program only after a while. */
  waitForProcess(command: string): Promise<{ readonly pid: number; readonly command: string }>;
  /** What of {@link alive} is the script, and not above it. */
  scriptAlive(): { readonly pid: number; readonly command: string }[];
  /** Kills all of it at once, as the death of `container run` does. */
  kill(): void;
  /** Kills what is left, and removes the directory. */
  remove(): Promise<void>;
}

const TIMEOUT_MS = 20_000;
/** What is above the script may go on when it has ended: it runs the lines that the script has left it. */
const RUN = `#!/bin/sh
/bin/sh /rbm/login
cd /work
if [ -f after-login ]; then . ./after-login; fi
exit $?
`;
const login = (words: string): string => `#!/bin/sh
${words} /bin/sh /rbm/cmd
exit $?
`;
const AS_USER = 'setpriv --reuid=1000 --regid=1000 --clear-groups';
/**
 * As rbm's own does, it waits for the script and tells its exit status; with words of the shell alone. It lives on for
 * as long as nobody writes to the pipe `linger`, if the script has made one, and runs the lines in `after`.
 */
const RUNNER = `#!/bin/sh
echo "$$" >/rbm/runner
cd /work
./build
status=$?
echo "$status" * >/rbm/end
if [ -p linger ]; then read -r line <linger; fi
if [ -f after ]; then . ./after; fi
exit "$status"
`;
const SETUP = `
set -e
dir=$1
for name in usr etc bin sbin lib lib32 lib64 libx32; do
  if [ -d "$dir/$name" ] && [ ! -L "$dir/$name" ]; then mount -o bind,ro "/$name" "$dir/$name"; fi
done
mount -t proc proc "$dir/proc"
for device in null zero; do mount -o bind "/dev/$device" "$dir/dev/$device"; done
status=0
chroot "$dir" /bin/sh /rbm/run || status=$?
cd "$dir/work"
if [ -f after-run ]; then sh ./after-run; fi
exit "$status"
`;

/**
 * Starts a script in a container as rbm does: a user namespace with a range of ids, a pid and a mount namespace, a
 * chroot, a login to another user, and the runner, which waits for the script. Needs no image: `/usr` and `/etc` are
 * those of the host.
 */
export async function startTinyContainer(options: TinyContainerOptions): Promise<TinyContainer> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'tiny container-')));
  const dir = join(base, 'root');
  await makeTree(dir, options);
  const start = `
    ${options.ignoresInterrupt === true ? "trap '' INT" : ''}
    echo "$$" >"$2"; exec setsid unshare --mount --pid --fork --kill-child -- sh -c "$0" sh "$1"`;
  const errors: string[] = [];
  let isOver = false;
  const ended = execInIdMap(['sh', '-c', start, SETUP, dir, join(base, 'pid')], { allowStderr: true })
    .then(
      () => {},
      (error: unknown) => void errors.push(String(error)),
    )
    .finally(() => (isOver = true));
  const waitForFile = async (path: string): Promise<string> => {
    for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(5)) {
      const isLastLook = isOver;
      const text = await textOf(path);
      if (text?.endsWith('\n') === true) return text.trimEnd();
      if (isLastLook) break;
    }
    throw new Error(`${path} did not come: ${errors.join()}`);
  };
  const container = {
    dir,
    ended,
    path: (inside: string) => join(dir, inside),
    read: (name: string) => textOf(join(dir, 'work', name)),
    waitFor: (name: string) => waitForFile(join(dir, 'work', name)),
    end: async () => {
      const [status, ...left] = (await waitForFile(join(dir, 'rbm', 'end'))).split(' ');
      return { status: Number(status), left };
    },
    alive: () => aliveIn(dir),
    waitForProcess: (command: string) =>
      eventually(() => aliveIn(dir).find((process) => process.command === command)),
    scriptAlive: () =>
      aliveIn(dir).filter(({ command }) => !/^\/bin\/sh \/rbm\/(run|login|cmd)$/.test(command)),
    kill: () => {
      // The program that started it all dies here, and the kernel kills the pid namespace with it.
      try {
        const pid = Number(readFileSync(join(base, 'pid'), 'utf8'));
        if (!isOver && pid > 0) process.kill(pid, 'SIGKILL');
      } catch (error) {
        // It has died already, and only nobody was told yet; or it was never born.
        if (!['ESRCH', 'ENOENT'].includes(systemErrorCode(error) ?? '')) throw error;
      }
    },
    remove: async () => {
      container.kill();
      await ended;
      await eventually(() => aliveIn(dir).length === 0 || undefined);
      await execInIdMap(['rm', '-rf', '--', base]);
    },
  };
  try {
    return { ...container, runnerNsPid: Number(await waitForFile(join(dir, 'rbm', 'runner'))) };
  } catch (error) {
    await container.remove();
    throw error;
  }
}

/** What `look` finds as soon as it finds something. */
export async function eventually<Found>(look: () => Found | undefined): Promise<Found> {
  for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(5)) {
    const found = look();
    if (found !== undefined) return found;
  }
  throw new Error(`in vain: ${look.toString()}`);
}

/** A {@link startTinyContainer} that is removed when the test ends. */
export async function tinyContainer(t: TestContext, options: TinyContainerOptions): Promise<TinyContainer> {
  const container = await startTinyContainer(options);
  t.after(() => container.remove());
  return container;
}

async function makeTree(dir: string, options: TinyContainerOptions): Promise<void> {
  for (const name of ['work', 'tmp', 'rbm', 'proc', 'dev']) await mkdir(join(dir, name), { recursive: true });
  for (const name of ['usr', 'etc', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) {
    const host = await lstat(`/${name}`).catch(() => null);
    if (host?.isSymbolicLink() === true) await symlink(await readlink(`/${name}`), join(dir, name));
    else if (host) await mkdir(join(dir, name));
  }
  for (const name of ['null', 'zero']) await writeFile(join(dir, 'dev', name), '');
  await symlink('/proc/self/fd', join(dir, 'dev/fd'));
  for (const [name, text] of Object.entries({
    run: RUN,
    login: login(options.isRoot === true ? '' : AS_USER),
    cmd: RUNNER,
  })) {
    await writeFile(join(dir, 'rbm', name), text);
  }
  const script = options.script.startsWith('#!') ? options.script : `#!/bin/bash\n${options.script}`;
  for (const [name, text] of Object.entries({ ...options.files, build: script })) {
    await writeFile(join(dir, 'work', name), text);
    await chmod(join(dir, 'work', name), 0o755);
  }
  for (const name of ['', 'work', 'tmp', 'rbm']) await chmod(join(dir, name), name === '' ? 0o755 : 0o1777);
}

function aliveIn(dir: string): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const root = readlinkSync(`/proc/${pid}/root`);
      if (root !== dir && !root.startsWith(`${dir}/`)) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
      return [{ pid: Number(pid), command }];
    } catch {
      return []; // no process, not ours, or dead
    }
  });
}

const textOf = (path: string): Promise<string | null> => readFile(path, 'utf8').catch(() => null);
