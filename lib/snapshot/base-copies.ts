import * as v from 'valibot';
import { join } from 'node:path';
import { execInIdMap } from '../id-map.js';
import { isPlainFile } from '../layer/encode.js';
import type { LayerMember } from '../layer/whiteout.js';
import type { Entry } from '../rootfs/entry.js';
import { fromBytes, toBytes } from '../rootfs/entry.js';
import type { Descriptor } from '../store/oci.js';
import { ANNOTATION } from './annotations.js';

/**
 * Finds which of these files are copies of the base tarball, byte by byte. rbm copies every input of a project into its
 * container, the image among them; what is in the store already is not packed again.
 */
export async function findBaseCopies(
  rootfs: string,
  candidates: readonly Entry[],
  base: string,
): Promise<Entry[]> {
  const copies: Entry[] = [];
  for (const entry of candidates) {
    if (!isPlainFile(entry) || !isAscii(entry.path)) continue;
    const { status } = await execInIdMap(['cmp', '-s', '--', join(rootfs, entry.path), base], {
      okStatuses: [1],
    });
    if (status === 0) copies.push(entry);
  }
  return copies;
}

/** What a layer's descriptor says of them. */
export const copiesAnnotation = (copies: readonly Entry[]): Record<string, string> =>
  copies.length === 0
    ? {}
    : { [ANNOTATION.baseCopies]: JSON.stringify(copies.map(({ path, meta }) => ({ path, meta }))) };

const schema = v.array(
  v.object({
    path: v.pipe(
      v.string(),
      v.regex(/^(?!\/)[\x01-\x7f]+$/),
      v.check((path) => !path.split('/').includes('..')),
    ),
    meta: v.pipe(v.string(), v.regex(/^f [0-7]{1,4} \d{1,7} \d{1,7} \d{1,11} \d{1,12}\.\d{9}$/)),
  }),
);

/** The copies of the base that a layer leaves out, as members; `null` when the annotation can't be read. */
export function readBaseCopies(descriptor: Descriptor): LayerMember[] | null {
  const text = descriptor.annotations?.[ANNOTATION.baseCopies];
  if (text === undefined) return [];
  try {
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output.map(memberOf) : null;
  } catch {
    return null;
  }
}

/** A copy of the base as a member of the layer that leaves it out. */
export const memberOf = ({ path, meta }: Pick<Entry, 'path' | 'meta'>): LayerMember => ({
  path,
  type: 'f',
  meta,
  target: '',
  xattrs: '',
});

const isAscii = (path: string): boolean => fromBytes(toBytes(path)) === path && /^[\x01-\x7f]+$/.test(path);
