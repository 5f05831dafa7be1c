import { RbmResumeError } from '../errors.js';
import { execInIdMap } from '../id-map.js';

/** One run of tar: which descriptor is its input, through which programs. */
export interface ExtractStep {
  readonly fd: number;
  /** Shell words; what they print is the archive. */
  readonly unpack: string;
}

/** What the tree has that is to come out, which decides how much the programs may take. */
export interface ExtractSize {
  /** In bytes; a larger file ends the extraction. */
  readonly largestFile: number;
  /** Bytes of all archives, uncompressed, and of all files. */
  readonly bytes: number;
  /** Members of all archives. */
  readonly entries: number;
}

/**
 * Runs GNU tar once for each step, one after the other, to extract into `target`, inside the id map, without a network, in
 * a root directory of its own where there is nothing but the target and, read-only, `/lists` and `/usr`: whatever an archive
 * says, nothing else can be read, linked, written or asked. How much each program may take is bounded.
 *
 * For step N there are two files: `N.names`, one name a line that is not extracted, and `N.options`, options of tar, each
 * ended by NUL.
 * @param of.box an empty directory to mount on
 * @throws RbmResumeError `COMMAND_FAILED`
 */
export async function extractInSandbox(
  target: string,
  steps: readonly ExtractStep[],
  of: { readonly box: string; readonly lists: string; readonly size: ExtractSize },
): Promise<void> {
  const namespaces = ['--mount', '--propagation', 'private', '--net', '--ipc'] as const;
  const build = ['unshare', ...namespaces, 'bash', '-c', BUILD_BOX, 'bash'] as const;
  const limits = limitsOf(of.size).join(' ');
  const unpack = steps.map((step) => step.unpack);
  await execInIdMap([...build, of.box, target, of.lists, EXTRACT, limits, ...unpack], {
    passed: steps.map(({ fd }) => fd),
  }).catch((error: unknown) => {
    throw told(error);
  });
}

/** The command is the sandbox and a script: what the programs in it have said tells more. */
function told(error: unknown): unknown {
  if (!(error instanceof RbmResumeError) || error.code !== 'COMMAND_FAILED') return error;
  const said = error.message
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  const [what, { end }] = [said.join('; '), error.fields];
  return new RbmResumeError('COMMAND_FAILED', `the layers can't be extracted: ${what === '' ? end : what}`, {
    cause: error,
    fields: error.fields,
  });
}

const GIB_IN_KIB = 1 << 20;

/**
 * The limits of each program as letters of bash's `ulimit` with their values, far above what an honest layer needs. Address
 * space: a zstd frame made with --long=31 takes 2 GiB; GNU tar holds less than 2 KiB for a directory, a delayed link or an
 * excluded name. Processor time: 2 MiB a second are slow even for xz, and 500 entries for a disk that others use.
 */
export function limitsOf({ largestFile, bytes, entries }: ExtractSize): string[] {
  const seconds = 600 + bytes / (2 << 20) + entries / 500;
  const limits = {
    c: 0,
    f: largestFile / 1024 + 1,
    n: 256,
    t: Math.min(seconds, 2 ** 31),
    v: 4 * GIB_IN_KIB + 2 * entries,
  };
  return Object.entries(limits).map(([letter, value]) => `${letter}${Math.ceil(value)}`);
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
# All that runs on the machine counts, on older kernels for a user of several containers too; so does every thread of xz.
read -r _ _ _ tasks _ < /proc/loadavg || tasks=
tasks=\${tasks#*/}
limits="$2 u$((\${tasks:-0} + 1024))"
exec chroot . bash -c "$1" "$limits" "\${@:3}"
`;

/** The name of the command is the limits; its arguments unpack one layer each. A lower limit of the caller's own stays. */
const EXTRACT = `
set -eo pipefail
for limit in $0; do
  most=$(ulimit -H "-\${limit:0:1}")
  [ "$most" != unlimited ] && [ "$most" -le "\${limit:1}" ] || most=\${limit:1}
  ulimit "-\${limit:0:1}" "$most"
done
cd /rootfs
number=0
for unpack; do
  mapfile -d '' -t excluded < "/lists/$number.options"
  eval "$unpack" <&$((number + 5)) | {
    tar --extract --file=- --blocking-factor=128 --numeric-owner --same-owner --same-permissions \\
      --xattrs '--xattrs-include=user.*' --xattrs-include=security.capability --xattrs-include='system.posix_acl_*' \\
      --warning=no-timestamp --warning=no-unknown-keyword --delay-directory-restore --no-recursion --anchored --no-wildcards \\
      --exclude-from="/lists/$number.names" "\${excluded[@]}" &&
      # tar leaves the zeros behind the end of an archive in the pipe, and who writes them there would die of it.
      rest=$(tail -c 1 | wc -c)
  } || { echo "exit statuses of $unpack, and tar: \${PIPESTATUS[*]}" >&2; exit 1; }
  number=$((number + 1))
done
`;
