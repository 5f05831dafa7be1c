import { constants } from 'node:fs';
import { lstat, mkdir, open, readFile, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, RbmResumeError, systemErrorCode } from '../errors.js';
import { syncDirectory } from '../store/atomic-write.js';
import { namesIn } from '../store/live.js';
import { tryFileLock } from '../store/lock.js';
import { parseJson } from '../store/oci.js';
import { refuseWithoutRoom, tellingWhatIsMissing, type Need } from '../store/room.js';
import { traceTo } from '../trace.js';
import { EXPORT_MANIFEST, EXPORT_PARTS, exportManifestSchema } from './export-format.js';

const trace = traceTo('snapshot');

const PART_NAME = /^[0-9a-f]{64}\.\d{3,9}$/;
const UNFINISHED_MANIFEST = /^manifest\.json\.[0-9a-f]{12}\.tmp$/;

/**
 * Runs `write`, which writes an export, with the new folder of its parts. `dir` may be missing or empty, or hold an export, also
 * half a one, which is removed when there is room for the new one: its manifest first. When `write` rejects, the parts are
 * removed.
 * @throws RbmResumeError `DIRECTORY_NOT_EMPTY`, `STORE_BUSY`, `NO_ROOM`, and what `write` throws
 */
export async function withExportDirectory<T>(
  dir: string,
  work: { readonly need: Need; readonly write: (partsDir: string) => Promise<T> },
): Promise<T> {
  const handle = await openDirectory(dir);
  try {
    if (!(await tryFileLock(handle))) {
      throw new RbmResumeError('STORE_BUSY', `another process exports to ${dir}`, {
        hint: 'Wait for it, or name another directory.',
        fields: { dir },
      });
    }
    const names = await readdir(dir);
    for (const name of names) if (!(await isOurs(dir, name))) throw notEmpty(dir, `${name} is not ours`);
    const place = { dir, what: 'the export' };
    const need = { ...work.need, freed: await measureExport(dir) };
    const room = await refuseWithoutRoom(place, need);
    await removeExport(dir, names);
    const partsDir = join(dir, EXPORT_PARTS);
    await mkdir(partsDir);
    try {
      return await tellingWhatIsMissing(place, { need, room }, () => work.write(partsDir));
    } catch (error) {
      await rm(partsDir, { recursive: true, force: true }).catch((second: unknown) =>
        trace('cannot remove %s: %s', partsDir, messageOf(second)),
      );
      throw error;
    }
  } finally {
    await handle.close();
  }
}

async function openDirectory(dir: string) {
  try {
    await mkdir(dir, { recursive: true });
    return await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (!['EEXIST', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) throw error;
    throw notEmpty(dir, 'it is no directory');
  }
}

/** Nothing is removed that an export may not have made. */
async function isOurs(dir: string, name: string): Promise<boolean> {
  const path = join(dir, name);
  const stats = await lstat(path);
  if (name === EXPORT_PARTS)
    return stats.isDirectory() && (await readdir(path)).every((part) => PART_NAME.test(part));
  if (!stats.isFile()) return false;
  if (name === EXPORT_MANIFEST) return 'value' in parseJson(exportManifestSchema, await readFile(path));
  return UNFINISHED_MANIFEST.test(name);
}

/** What the export that is there takes. */
async function measureExport(dir: string): Promise<{ readonly bytes: number; readonly inodes: number }> {
  let [bytes, inodes] = [0, 0];
  for (const name of await namesIn(join(dir, EXPORT_PARTS))) {
    bytes += (await lstat(join(dir, EXPORT_PARTS, name))).blocks * 512;
    inodes += 1;
  }
  return { bytes, inodes };
}

/** Whatever happens meanwhile, there is never a manifest without its parts. */
async function removeExport(dir: string, names: readonly string[]): Promise<void> {
  for (const name of names) if (name !== EXPORT_PARTS) await unlink(join(dir, name));
  await syncDirectory(dir);
  await rm(join(dir, EXPORT_PARTS), { recursive: true, force: true });
}

const notEmpty = (dir: string, what: string): RbmResumeError =>
  new RbmResumeError('DIRECTORY_NOT_EMPTY', `cannot export to ${dir}: ${what}`, {
    hint: 'Name a directory that is empty, does not exist yet, or holds nothing but an earlier export.',
    fields: { dir },
  });
