import { runInContainer } from './container.js';
import type { Workspace } from './workspace.js';

export const RECOMPILED = 50;

/**
 * Compiles 50 files of the tree again, as another leg of the build would. The object files get other bytes each time (a
 * symbol's value), so that no store finds them among what it has.
 */
export async function recompile(work: Workspace): Promise<void> {
  const script = `su - rbm -c 'set -e; cd openssl
    objects=$(find crypto -name "libcrypto-lib-*.o" | LC_ALL=C sort |
      while read -r object; do
        source=$(dirname $object)/$(basename $object .o | sed s/libcrypto-lib-//).c
        [ ! -e $source ] || echo $object $source
      done | head -n ${RECOMPILED})
    touch $(echo "$objects" | cut -d" " -f2)
    make -j2 CFLAGS="-Wall -O3 -Wa,--defsym,bench_round=$(date +%s)" $(echo "$objects" | cut -d" " -f1)' >&2`;
  await runInContainer(work.tree, script);
}
