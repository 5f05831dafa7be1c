import { fingerprintFiles, type Fingerprints } from '../rootfs/fingerprint.js';

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
