import { execInIdMap } from '../../id-map.js';
import { isBeingWritten, isBelow, splitAtNul, type OpenFile } from './open-files.js';

/** Gathers what killed processes were writing, until it can be removed. */
export class Leftovers {
  readonly #rootDir: string;
  readonly #removed: string[] = [];
  #files: OpenFile[] = [];

  /** @param rootDir the container's directory, resolved */
  constructor(rootDir: string) {
    this.#rootDir = rootDir;
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** What was removed so far, as paths inside the container, sorted. */
  get removed(): string[] {
    return [...this.#removed].sort();
  }

  /** Takes those of the files that are on disk and were open for writing. */
  add(files: readonly OpenFile[]): void {
    this.#files.push(...files.filter((file) => isBeingWritten(file, this.#rootDir)));
  }

  /** As {@link removeLeftovers}, for what was gathered since the last time. */
  async remove(): Promise<void> {
    const files = this.#files;
    this.#files = [];
    this.#removed.push(...(await removeLeftovers(files, { rootDir: this.#rootDir })));
  }
}

/**
 * Removes files of a container that were left half-written, each only if its path still leads, without a symbolic link
 * on the way, to the same regular file below `rootDir`. What is gone already is no error.
 *
 * Nothing of the container may run meanwhile: what is checked must still hold when it is removed.
 * @param options.rootDir the container's directory, resolved
 * @returns what was removed, as paths inside the container, sorted
 * @throws RbmResumeError as {@link execInIdMap}
 */
export async function removeLeftovers(
  files: readonly OpenFile[],
  options: { readonly rootDir: string },
): Promise<string[]> {
  const below = files.filter(({ path }) => isBelow(path, options.rootDir));
  const wanted = new Set(below.map(({ path, id }) => `${id} ${keyOf(path)}`));
  // Where a symbolic link is on the way, the real path is another one, which nobody wants removed.
  const real = await ask(
    ['realpath', '-z', '-e', '-q', '--'],
    [...new Set(below.map(({ path }) => keyOf(path)))],
  );
  const describe = 'find "$@" -maxdepth 0 -type f -printf "%D:%i\\0%p\\0"; exit 0';
  const found = await ask(['sh', '-c', describe, 'sh'], real);
  const paths = found.filter((path, at) => at % 2 === 1 && wanted.has(`${found[at - 1]} ${path}`));
  await ask(['rm', '-f', '--'], paths);
  return paths.map((path) => bytesOf(path).toString('utf8').slice(options.rootDir.length)).sort();
}

/** Runs a program in the id map with NUL-separated arguments from standard input, which carries any bytes. */
async function ask(argv: readonly string[], paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const input = Buffer.concat(paths.map((path) => Buffer.concat([bytesOf(path), Buffer.from('\0')])));
  // 123: the program failed for some of them, as realpath does for a path that is gone.
  const okStatuses = argv[0] === 'realpath' ? [123] : [];
  const { stdout } = await execInIdMap(['xargs', '-0', '--', ...argv], { input, okStatuses });
  return splitAtNul(stdout).map(keyOf);
}

/** Paths as strings of bytes, so that they can be keys of a map. */
const keyOf = (path: Buffer): string => path.toString('latin1');
const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');
