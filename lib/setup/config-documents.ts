import { readFile } from 'node:fs/promises';
import { LineCounter, parseAllDocuments } from 'yaml';
import { RbmResumeError, systemErrorCode } from '../errors.js';

/**
 * One YAML document of a file that rbm loads as configuration. A hash holds options; of everything that is no hash and
 * no list rbm evaluates the text as Perl, which returns option pairs.
 */
export interface ConfigDocument {
  /** The line on which its content begins, from 1 on. */
  readonly line: number;
  readonly options: Options | null;
  /** The Perl code, `null` when there is none (comments only are none). */
  readonly perl: string | null;
}

export type Options = Readonly<Record<string, unknown>>;

export const isOptions = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The documents of a configuration file's text. No Perl is run: what a Perl document returns is not known here.
 * @throws RbmResumeError `BAD_CONFIG` for text that is no YAML
 */
export function parseConfigDocuments(text: string, file: string): ConfigDocument[] {
  const lineCounter = new LineCounter();
  // YAML::XS takes a key that comes twice.
  const parsed = parseAllDocuments(text, { lineCounter, uniqueKeys: false, logLevel: 'silent' });
  if ('empty' in parsed) return [];
  return parsed.map((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new RbmResumeError('BAD_CONFIG', `${file} is no YAML: ${error.message}`, { fields: { file } });
    }
    const value: unknown = document.toJS({ maxAliasCount: -1 });
    const { line } = lineCounter.linePos((document.contents?.range ?? document.range)[0]);
    if (isOptions(value)) return { line, options: value, perl: null };
    const isPerl = ['string', 'number', 'boolean'].includes(typeof value);
    return { line, options: null, perl: isPerl && perlCode(String(value)) !== '' ? String(value) : null };
  });
}

/** Perl text without its comment lines. */
export const perlCode = (text: string): string => text.replace(/^\s*#.*$/gm, '').trim();

/** The options of a file as rbm merges its documents: at the top key, the last one counts. */
export const mergeDocuments = (documents: readonly ConfigDocument[]): Options =>
  Object.assign({}, ...documents.map(({ options }) => options ?? {})) as Options;

/**
 * Reads a configuration file; `null` when there is none.
 * @throws RbmResumeError `BAD_CONFIG` when it can't be read, or is no YAML
 */
export async function readConfigDocuments(file: string): Promise<ConfigDocument[] | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(cause) ?? '')) return null;
    throw new RbmResumeError('BAD_CONFIG', `cannot read ${file}`, { cause, fields: { file } });
  }
  return parseConfigDocuments(text, file);
}

/** The merged options of a configuration file; none when there is no such file. */
export const readOptions = async (file: string): Promise<Options> =>
  mergeDocuments((await readConfigDocuments(file)) ?? []);
