import { fingerprintFiles, firstDifference, type Fingerprints } from '../rootfs/fingerprint.js';
import { DIVISION } from '../script/units.js';
import type { SnapshotRecord } from '../store/record.js';

/**
 * The content of the files that rbm has put together for a build, as the container gets them. Left out: the container
 * image (what is kept brings its own), the scripts (the project hash has them), and the tarball that rbm itself makes of
 * a commit (the hash has the commit; its compression differs with the number of processors).
 */
export function fingerprintInputs(
  dir: string,
  build: { readonly project: string; readonly version: string | null; readonly step: string | null },
): Promise<Fingerprints> {
  const scripts = ['pre', build.step ?? 'build', 'post'];
  const source = `${build.project}-${build.version}.tar`;
  return fingerprintFiles(
    dir,
    (path) =>
      scripts.includes(path) ||
      path.startsWith('container-image_') ||
      path === source ||
      (path.startsWith(`${source}.`) && !path.includes('/')),
  );
}

/** Why a tree that was interrupted at a statement can't be gone on with there, or `null`. */
export function reasonAgainstDivision({ legs }: Pick<SnapshotRecord, 'legs'>): string | null {
  const { place, division } = legs.at(-1) ?? { place: null, division: null };
  return place === null || division === DIVISION
    ? null
    : 'it was interrupted by a version of rbm-resume that divides scripts in another way';
}

/**
 * Why a tree must not be built on for its inputs, or `null`. The hash has a dependency by its file name, as rbm does; the
 * content is compared here, where it is at hand.
 */
export async function reasonAgainstInputs(
  record: { readonly inputs: Fingerprints | null },
  build: {
    readonly inputsDir: string | null;
    readonly project: string;
    readonly version: string | null;
    readonly step: string | null;
  },
): Promise<string | null> {
  if (record.inputs === null || build.inputsDir === null) {
    return record.inputs === build.inputsDir ? null : 'it is not known of which input files it was made';
  }
  const different = firstDifference(record.inputs, await fingerprintInputs(build.inputsDir, build));
  return different === null ? null : `the input file ${different} has another content than when it was made`;
}
