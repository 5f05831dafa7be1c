import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ProjectHash } from '../../lib/digest.js';
import { park } from '../../lib/container/park.js';
import { readIdMap } from '../../lib/id-map.js';
import { summarizeListing } from '../../lib/rootfs/baseline.js';
import { writeSealedDurably } from '../../lib/store/sealed-json.js';
import { storePaths } from '../../lib/store/paths.js';
import { readKeptRecord, RECORD_FORMAT, type KeptRecord } from '../../lib/store/record.js';

export interface ParkedTree {
  readonly store: string;
  readonly hash: ProjectHash;
  /** The container image that the tree began with, on the file system of the store. */
  readonly image: string;
  /** The listing of the tree when it was nothing but the image, or as {@link snapshot} has it. */
  readonly baseline: string;
  /** The snapshot that the tree was resumed from. @default null */
  readonly snapshot?: KeptRecord['snapshot'];
}

/**
 * Makes a store in which the tree is parked as an interrupted build leaves it. The tree has to lie at `rootfs` of the
 * parked place already, with or without a record: it is moved out and parked by the library, so files keep inode and ctime.
 */
export async function parkTree({ store, hash, image, baseline, snapshot }: ParkedTree): Promise<void> {
  const paths = storePaths(store);
  const [live, container] = [paths.live('bench'), join(store, 'container')];
  // A run that ended between the two moves has left it here.
  if (!existsSync(container)) await rename(paths.parked(hash).rootfs, container);
  await rm(live.dir, { recursive: true, force: true });
  await mkdir(live.dir, { recursive: true });
  await copyFile(baseline, live.baseline);
  await link(image, live.base);
  const at = new Date().toISOString();
  const leg = {
    stoppedIn: 'build',
    place: null,
    division: null,
    escalation: 'SIGINT' as const,
    removedFiles: [],
  };
  await park(paths, {
    container,
    live,
    inputsDir: null,
    record: {
      format: RECORD_FORMAT,
      hash,
      container,
      jobClass: null,
      project: 'openssl',
      step: 'build',
      targets: [],
      version: null,
      filename: null,
      workspace: null,
      expectedScripts: ['build'],
      idMap: await readIdMap(),
      legs: [{ ...leg, startedAt: at, endedAt: at, seconds: 1 }],
      tmpFolders: [],
      inputs: null,
      endedScripts: [],
      baseline: await summarizeListing(baseline),
      reason: 'interrupted',
      image: { name: basename(image), identity: '' },
      snapshot: snapshot ?? null,
    },
  });
  await rm(live.dir, { recursive: true });
}

/** Says that another leg has worked on the parked tree, as when it was resumed and interrupted again. */
export async function addLeg(store: string, hash: ProjectHash): Promise<void> {
  const { record: file } = storePaths(store).parked(hash);
  const record = await readKeptRecord(file);
  await writeSealedDurably(file, { ...record, legs: [...record.legs, ...record.legs.slice(-1)] });
}
