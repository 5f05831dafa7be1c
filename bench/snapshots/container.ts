import { mkdir } from 'node:fs/promises';
import { execInIdMap } from '../../lib/id-map.js';

/** Extracts a container image as rbm's `container extract` does. */
export async function extractImage(image: string, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await execInIdMap(['tar', '--exclude=./dev', '-C', dir, '-xf', image]);
}

/** Runs a shell script as root of a container, with `/proc` and the usual devices; nothing stays mounted. */
export async function runInContainer(
  dir: string,
  script: string,
  args: readonly string[] = [],
): Promise<string> {
  const enter = `set -eu
    cd "$1"; shift; mkdir -p dev proc
    mount -t tmpfs tmpfs dev
    for device in full null random tty urandom zero; do
      : > "dev/$device"; mount --bind "/dev/$device" "dev/$device"
    done
    mount -t proc proc proc
    exec chroot . sh -euc "$@"`;
  const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--'] as const;
  const { stdout } = await execInIdMap([...namespaces, 'sh', '-c', enter, 'sh', dir, script, 'sh', ...args], {
    allowStderr: true,
  });
  return stdout.toString();
}
