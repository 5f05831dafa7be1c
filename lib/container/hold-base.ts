import { copyFile, constants, link, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf, systemErrorCode } from '../errors.js';
import type { KeptPaths, LivePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';
import { traceTo } from '../trace.js';

const trace = traceTo('park');

/**
 * Keeps hold of the image that a container was just extracted from, under `live/ID/base`: rbm removes its own copy when it
 * ends, and a snapshot needs it. Only a hard link is made here, so it costs nothing.
 * @returns what tells later whether rbm's file is still the same; `null` when there is none, or it can't be read
 */
export async function holdBase(live: LivePaths, inputsDir: string | null): Promise<LiveRecord['image']> {
  // A parked tree that could not be taken back may have left another image here: nothing was extracted from that.
  await rm(live.base, { force: true });
  if (inputsDir === null) return null;
  try {
    const file = await findImage(inputsDir);
    if (file === null) return null;
    await link(file, live.base).catch((error: unknown) =>
      trace('the image is not linked now: %s', messageOf(error)),
    );
    return { name: basename(file), identity: await identify(file) };
  } catch (error) {
    trace('the image is not held, so a snapshot will have everything in one layer: %s', messageOf(error));
    return null;
  }
}

/** The container image among the input files of a build; exactly one of them is called so. */
export async function findImage(inputsDir: string | null): Promise<string | null> {
  if (inputsDir === null) return null;
  const name = (await readdir(inputsDir)).find((file) => file.startsWith('container-image_'));
  return name === undefined ? null : join(inputsDir, name);
}

/** Moves what {@link holdBase} holds along with the tree, or copies the image now where no link could be made. */
export async function keepBase(
  from: { readonly live: LivePaths; readonly inputsDir: string | null; readonly image: LiveRecord['image'] },
  kept: KeptPaths,
): Promise<void> {
  const held = await identify(from.live.base).catch(() => null);
  if (held !== null && from.image !== null && isRewritten(held, from.image.identity)) {
    trace('%s was written since it was extracted, so a snapshot will have everything in one layer', held);
    return;
  }
  try {
    await rename(from.live.base, kept.base);
    return;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
  if (from.image === null || from.inputsDir === null) return;
  const file = join(from.inputsDir, from.image.name);
  if ((await identify(file).catch(() => null)) !== from.image.identity) return;
  await copyFile(file, kept.base, constants.COPYFILE_FICLONE);
}

/** Which file it is and that it was not written: a link more doesn't count. */
async function identify(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs].join(':');
}

/** Whether it is the same file, but no longer what it was: a link shares what is written in place. */
const isRewritten = (now: string, then: string): boolean =>
  now !== then && now.split(':', 2).join() === then.split(':', 2).join();
