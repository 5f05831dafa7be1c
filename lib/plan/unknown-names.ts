import type { Walk, WalkedBuild } from './ask-rbm.js';

/** A build's file name as far as it is known. */
export interface KnownName {
  /** With `?` for what is not known. */
  readonly filename: string;
  readonly isKnown: boolean;
}

/**
 * The file names, by the key of the build in `walk`: what differs between two walks with other stand-ins is not known.
 * Where they found other builds, what the other walk does not have under the same name is not known as a whole.
 */
export function knownNames(walk: Walk, twin: Walk | null): Map<string, KnownName> {
  if (twin === null) return new Map(walk.builds.map(({ key, filename }) => [key, known(filename ?? '')]));
  const isPaired =
    walk.builds.length === twin.builds.length &&
    walk.builds.every((build, index) => describe(build) === describe(twin.builds[index]));
  const names = new Set(twin.builds.map((build) => `${describe(build)}\n${build.filename ?? ''}`));
  return new Map(
    walk.builds.map((build, index) => {
      const name = build.filename ?? '';
      if (isPaired) return [build.key, compareNames(name, twin.builds[index]?.filename ?? '')];
      const isSame = names.has(`${describe(build)}\n${name}`);
      return [build.key, isSame ? known(name) : { filename: '?', isKnown: false }];
    }),
  );
}

const known = (filename: string): KnownName => ({ filename, isKnown: true });

const describe = (build: WalkedBuild | undefined): string =>
  build === undefined ? '' : JSON.stringify([build.project, build.step, build.targets]);

/** Names of the same build: the words in which they differ are not known. */
export function compareNames(name: string, other: string): KnownName {
  if (name === other) return known(name);
  const [words, others] = [wordsOf(name), wordsOf(other)];
  if (words.length !== others.length) return { filename: '?', isKnown: false };
  const filename = words
    .map((word, index) => (word === others[index] ? word : '?'.repeat(word.length || 1)))
    .join('');
  return { filename, isKnown: false };
}

const wordsOf = (name: string): string[] => name.split(/([^0-9A-Za-z]+)/);
