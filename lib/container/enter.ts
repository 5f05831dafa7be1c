import { describeEnd } from '../exec.js';
import { RbmResumeError } from '../errors.js';
import { execInIdMap } from '../id-map.js';

/** What a shell does for a program that a signal ended. */
const SIGNALLED = 128;

/** Says its process id, then becomes the program with this process' own terminal. */
const SAY_PID = 'echo $$; exec "$@" <&5 >&6 2>&7 5<&- 6>&- 7>&-';

/**
 * Runs as process 1, so that everything ends with it. Of `/dev` there is what programs cannot do without; what can't be mounted
 * on this host is left out.
 */
const ENTER = `
cd "$1" && shift || exit 1
[ -d proc ] && mount -t proc proc proc 2>/dev/null
if [ -d dev ] && mount -t tmpfs -o mode=0755 dev dev 2>/dev/null; then
  for device in null zero full random urandom tty; do
    : > "dev/$device" && mount --bind "/dev/$device" "dev/$device" 2>/dev/null
  done
  ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
fi
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \${TERM:+"TERM=$TERM"} \\
  chroot . "$@"
exit $?
`;

export interface EnterOptions {
  /** The program and its arguments, as the tree has it. */
  readonly argv: readonly string[];
  /** Ends the program, and all that it has started, at once. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a program inside a restored tree: as root of the container's id map, with mounts and processes of its own, and this
 * process' standard input, output and error. The network and the terminal are the host's.
 * @returns its exit status; 128 and more when it was ended
 * @throws RbmResumeError `NO_ID_RANGE`, `ID_MAP_FAILED`, `COMMAND_NOT_FOUND`
 */
export async function enterTree(rootfs: string, options: EnterOptions): Promise<number> {
  const { argv, signal } = options;
  const inside = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  const program = ['sh', '-c', SAY_PID, 'sh', ...inside, 'sh', '-c', ENTER, 'sh', rootfs, ...argv];
  const isEnded = () => signal?.aborted ?? false;
  if (isEnded()) return SIGNALLED;
  let stop = () => {};
  try {
    const { status } = await execInIdMap(program as [string, ...string[]], {
      env: process.env.TERM === undefined ? {} : { TERM: process.env.TERM },
      passed: [0, 1, 2],
      okStatuses: Array.from({ length: 256 }, (_, number) => number),
      consume: async (stdout) => {
        for await (const chunk of stdout as AsyncIterable<Buffer>) {
          const pid = Number(chunk.toString());
          stop = () => process.kill(pid, 'SIGKILL');
          signal?.addEventListener('abort', stop, { once: true });
          if (isEnded()) stop();
        }
      },
    });
    return status;
  } catch (error) {
    const isKilled =
      error instanceof RbmResumeError && error.fields.end === describeEnd(null, 'SIGKILL') && isEnded();
    if (!isKilled) throw error;
    return SIGNALLED;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
