import type * as v from 'valibot';
import { ociLayoutSchema, readIfThere } from './image-index.js';
import { namesIn } from './live.js';
import { descriptorSchema, imageIndexSchema, parseJson, type Descriptor, type ImageIndex } from './oci.js';
import type { StorePaths } from './paths.js';

/** What can be read of an index, damaged or not. */
export interface IndexRemains {
  /** The bytes of `index.json` and `oci-layout` as they were read; `null` where there is none. */
  readonly index: Buffer | null;
  readonly layout: Buffer | null;
  /** Why it can't be used as it is; `null` when it can. */
  readonly problem: string | null;
  /** Why `oci-layout` can't be used; `null` when it can, or there is none and there need not be. */
  readonly layoutProblem: string | null;
  /** Its fields beside the entries, as far as they can be read. */
  readonly fields: Omit<ImageIndex, 'manifests'>;
  /** The entries that can still be read. */
  readonly entries: readonly Descriptor[];
}

/** Reads `index.json` and takes out of a damaged one what is still whole: each entry for itself. */
export async function readIndexRemains(paths: StorePaths): Promise<IndexRemains> {
  // In the reverse of the order in which a store's first writer makes them: readers hold no lock.
  const hasBlobs = (await namesIn(paths.blobs)).length > 0;
  const [index, layout] = [await readIfThere(paths.index), await readIfThere(paths.ociLayout)];
  const layoutProblem =
    layout === null
      ? hasBlobs
        ? 'it is missing, but there are blobs'
        : null
      : problemOf(ociLayoutSchema, layout);
  const files = { index, layout, layoutProblem };
  if (index === null) {
    const problem = hasBlobs ? 'it is missing, but there are blobs' : null;
    return { ...files, problem, fields: { schemaVersion: 2 }, entries: [] };
  }
  const parsed = parseJson(imageIndexSchema, index);
  if ('value' in parsed) {
    const { manifests, ...fields } = parsed.value;
    return { ...files, problem: null, fields, entries: manifests };
  }
  const entries = salvageEntries(index.toString());
  return { ...files, problem: parsed.problem, fields: { schemaVersion: 2 }, entries };
}

const problemOf = (schema: v.GenericSchema, text: Buffer): string | null => {
  const parsed = parseJson(schema, text);
  return 'value' in parsed ? null : parsed.problem;
};

/** So much text is looked through at most, however many braces somebody has written. */
const MAX_WORK = 64 * 1024 * 1024;

/** Every JSON object in a text that is an entry of an index and lies in no other one. */
function salvageEntries(text: string): Descriptor[] {
  const found: Descriptor[] = [];
  let work = 0;
  for (let at = text.indexOf('{'); at !== -1 && work < MAX_WORK; at = text.indexOf('{', at)) {
    const end = endOfObject(text, at);
    work += (end ?? text.length) - at;
    const entry = end === null ? null : toEntry(text.slice(at, end));
    if (entry !== null) found.push(entry);
    at = entry === null || end === null ? at + 1 : end;
  }
  return found;
}

function toEntry(text: string): Descriptor | null {
  const parsed = parseJson(descriptorSchema, text);
  return 'value' in parsed ? parsed.value : null;
}

/** Where the object that begins at `start` ends, its brace included; `null` when it does not. */
function endOfObject(text: string, start: number): number | null {
  let depth = 0;
  const token = /[{}]|"(?:[^"\\]|\\.)*"?/gs;
  token.lastIndex = start;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === '{') depth += 1;
    else if (match[0] === '}') depth -= 1;
    if (depth === 0) return token.lastIndex;
  }
  return null;
}
