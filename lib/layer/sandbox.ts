import { execInIdMap } from '../id-map.js';

/** One run of tar: which descriptor is its input, through which programs. */
export interface ExtractStep {
  readonly fd: number;
  /** Shell words; what they print is the archive. */
  readonly unpack: string;
}

/**
 * Runs GNU tar once for each step, one after the other, to extract into `target`, inside the id map, in a root directory of
 * its own where there is nothing but the target and, read-only, `/lists` and `/usr`: whatever an archive says, nothing else
 * can be read, linked or written.
 *
 * For step N there are two files: `N.names`, one name a line that is not extracted, and `N.options`, options of tar, each
 * ended by NUL.
 * @param of.box an empty directory to mount on
 * @param of.largestFile in bytes; a larger one ends the extraction
 * @throws RbmResumeError `COMMAND_FAILED`
 */
export async function extractInSandbox(
  target: string,
  steps: readonly ExtractStep[],
  of: { readonly box: string; readonly lists: string; readonly largestFile: number },
): Promise<void> {
  const limit = String(Math.ceil(of.largestFile / 1024) + 1);
  const build = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', BUILD_BOX, 'bash'] as const;
  const unpack = steps.map((step) => step.unpack);
  await execInIdMap([...build, of.box, target, of.lists, EXTRACT, limit, ...unpack], {
    passed: steps.map(({ fd }) => fd),
  });
}

/** Makes the root directory in which tar runs. Where `/usr` can't be made read-only it must not be writable anyway. */
const BUILD_BOX = `
set -e
box=$1 target=$2 lists=$3; shift 3
mount -t tmpfs -o mode=0755 rbm-resume "$box"
mkdir "$box/usr" "$box/rootfs" "$box/lists"
cp "$lists"/* "$box/lists/"
system=(usr)
for dir in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$dir" ]; then cp -P "/$dir" "$box/$dir"
  elif [ -d "/$dir" ]; then mkdir "$box/$dir"; system+=("$dir"); fi
done
for dir in "\${system[@]}"; do
  mount --bind "/$dir" "$box/$dir" 2> /dev/null || mount --rbind "/$dir" "$box/$dir"
  said=$(mount -o remount,bind,ro "$box/$dir" 2>&1) || [ ! -w "$box/$dir" ] || { echo "$said" >&2; exit 1; }
done
mount --bind "$target" "$box/rootfs"
# A symbolic link of one layer must not lead the next one to the lists: options of tar can run programs.
mount -o remount,ro "$box"
cd "$box"
exec chroot . bash -c "$@"
`;

/** The name of the command is the limit of a file's size in KiB; its arguments unpack one layer each. */
const EXTRACT = `
set -eo pipefail
ulimit -f "$0"
cd /rootfs
number=0
for unpack; do
  mapfile -d '' -t excluded < "/lists/$number.options"
  eval "$unpack" <&$((number + 5)) | {
    tar --extract --file=- --blocking-factor=128 --numeric-owner --same-owner --same-permissions \\
      --xattrs '--xattrs-include=user.*' --xattrs-include=security.capability --xattrs-include='system.posix_acl_*' \\
      --warning=no-timestamp --delay-directory-restore --no-recursion --anchored --no-wildcards \\
      --exclude-from="/lists/$number.names" "\${excluded[@]}" &&
      # tar leaves the zeros behind the end of an archive in the pipe, and who writes them there would die of it.
      rest=$(tail -c 1 | wc -c)
  } || { echo "exit statuses of $unpack, and tar: \${PIPESTATUS[*]}" >&2; exit 1; }
  number=$((number + 1))
done
`;
