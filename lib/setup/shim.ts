import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { perlCode, readOptions, type ConfigDocument, type Options } from './config-documents.js';

/** The directory of this package that holds `RBM/Resume.pm`. */
export const SHIM_LIB = fileURLToPath(new URL('../../perl-shim/lib', import.meta.url));

/** The Perl statements that bring the shim in, one a line. The value of the last one is what rbm takes as options. */
export const shimStatements = (lib: string): readonly [string, string, string] => [
  `use lib '${lib.replace(/[\\']/g, '\\$&')}';`,
  'use RBM::Resume;',
  'RBM::Resume::options();',
];

/** The YAML document for the workspace's local configuration file. */
export const shimDocument = (lib: string): string =>
  ['--- |', ...shimStatements(lib).map((statement) => `  ${statement}`), ''].join('\n');

export const hasShim = (lib: string): boolean => existsSync(join(lib, 'RBM', 'Resume.pm'));

/** The local configuration file of a workspace: `rbm.local.conf`, unless `rbm.conf` names another one. */
export async function localConfFile(workspace: string): Promise<string> {
  const options: Options = await readOptions(join(workspace, 'rbm.conf')).catch(() => ({}));
  const named = options.localconf_file;
  const isName = typeof named === 'string' && named !== '' && !named.includes('[%');
  return resolve(workspace, isName ? named : 'rbm.local.conf');
}

/** How a configuration file loads the shim. */
export interface ShimUse {
  /** The line on which the Perl document begins that loads it. */
  readonly line: number;
  /** Every literal path of a `use lib`; empty when the path is computed or comes from `PERL5LIB`. */
  readonly libs: readonly string[];
  /** Where `RBM/Resume.pm` was found among them; `null` when it is in none of them or they are not known. */
  readonly foundIn: string | null;
  readonly callsOptions: boolean;
  /** The line of a later document that has a `container` of its own, which is then the one that rbm takes. */
  readonly hiddenBy: number | null;
  /** The document returns a `container` besides the shim's, and doesn't merge the two. */
  readonly hasTwoContainers: boolean;
  /** The line of an earlier Perl document whose `container` the shim's takes the place of. */
  readonly hides: number | null;
}

/** The last document that loads the shim, and what is wrong with it; `null` when none does. */
export function findShim(documents: readonly ConfigDocument[], workspace: string): ShimUse | null {
  const codes = documents.map(({ perl }) => perlCode(perl ?? ''));
  const at = codes.findLastIndex((code) => /\bRBM::Resume\b/.test(code));
  const [document, code] = [documents[at], codes[at]];
  if (document === undefined || code === undefined) return null;
  const hasContainer = ({ options }: ConfigDocument, index: number): boolean =>
    (options !== null && 'container' in options) || returnsContainer(codes[index] ?? '');
  const libs = literalLibs(code).map((lib) => resolve(workspace, lib));
  return {
    line: document.line,
    libs,
    foundIn: libs.find(hasShim) ?? null,
    callsOptions: /\bRBM::Resume::options\b/.test(code),
    hiddenBy: documents.find((other, index) => index > at && hasContainer(other, index))?.line ?? null,
    hasTwoContainers: returnsContainer(code) && !/\{\s*['"]?container['"]?\s*\}/.test(code),
    hides: documents.find((_, index) => index < at && returnsContainer(codes[index] ?? ''))?.line ?? null,
  };
}

const returnsContainer = (code: string): boolean => /(?<![\w$@%/])['"]?container['"]?\s*=>/.test(code);

function literalLibs(code: string): string[] {
  return [...code.matchAll(/\buse\s+lib\b([^;]*);/g)].flatMap(([, list = '']) =>
    [...list.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\$@]|\\.)*)"|\bqw?\s*\(([^)]*)\)/g)].flatMap(
      ([, single, double, words]) =>
        words === undefined
          ? [(single ?? double ?? '').replace(/\\(.)/g, '$1')]
          : words.split(/\s+/).filter((word) => word !== ''),
    ),
  );
}
