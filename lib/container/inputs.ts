import { fingerprintFiles, firstDifference, type Fingerprints } from '../rootfs/fingerprint.js';
import { DIVISION } from '../script/division.js';
import type { Leg, SnapshotRecord } from '../store/record.js';

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

/**
 * The leg whose state of a script a tree holds, or `null`: the last that was stopped in a script, unless that script has
 * ended since. A leg that was stopped between two scripts leaves the state of the one before where it is.
 */
export function stateLegOf({
  legs,
  endedScripts,
}: Pick<SnapshotRecord, 'legs' | 'endedScripts'>): Leg | null {
  const last = legs.findLast(({ stoppedIn }) => stoppedIn !== null);
  return last?.stoppedIn == null || last.place === null || endedScripts.includes(last.stoppedIn)
    ? null
    : last;
}

/** Why a tree that was interrupted at a statement can't be gone on with there, or `null`. */
export function reasonAgainstDivision(record: Pick<SnapshotRecord, 'legs' | 'endedScripts'>): string | null {
  const leg = stateLegOf(record);
  return leg === null || leg.division === DIVISION
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
