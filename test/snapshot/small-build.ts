import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { extractContainer, packBase } from '../../fixtures/trees/base-tarball.js';
import type { Digest, ProjectHash } from '../../lib/digest.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { saveSnapshot, type SavedSnapshot } from '../../lib/snapshot/save.js';
import type { Snapshot } from '../../lib/snapshot/snapshot.js';
import { RECORD_FORMAT, type SnapshotRecord } from '../../lib/store/record.js';
import type { Signing } from '../../lib/trust/sign.js';
import { parseSealed, sealJson } from '../../lib/store/sealed-json.js';

/** A container of a few files, and the tarball that it began with. */
export interface SmallBuild {
  readonly container: string;
  readonly base: string;
  /** Goes on for a while, so to say, and saves; each save is of the next generation. */
  saveLeg(store: string, options: LegOptions): Promise<Snapshot>;
  /** Saves the container as it is. */
  save(store: string, options: LegOptions): Promise<SavedSnapshot>;
}

export interface LegOptions {
  readonly hash: ProjectHash;
  /** How long the build has worked by now. @default 1 */
  readonly seconds?: number;
  readonly withoutBase?: boolean;
  readonly compression?: 'zstd' | 'gzip';
  readonly parent?: Digest;
  readonly signing?: Signing;
  /** What the container is told to hold. @default random bytes */
  readonly content?: string;
}

/** Makes a base with 300,000 bytes that nothing compresses, and a container of it. */
export async function startSmallBuild(work: string): Promise<SmallBuild> {
  const [origin, container] = [join(work, 'origin'), join(work, 'container')];
  mkdirSync(join(origin, 'usr'), { recursive: true });
  writeFileSync(join(origin, 'usr', 'tool'), randomBytes(300_000));
  const plan = { format: 'posix', hasXattrs: false, isSparse: false, compression: 'zst' } as const;
  const base = await packBase(origin, join(work, 'base'), plan);
  await extractContainer(base, container);
  const baseline = join(work, 'baseline');
  await writeListing(container, baseline);
  const save: SmallBuild['save'] = (store, options) => {
    const { hash, seconds = 1, withoutBase = false, compression = 'zstd', parent = null } = options;
    const record = recordOf(hash, seconds);
    const rootfs = container;
    const signing = options.signing === undefined ? {} : { signing: options.signing };
    return saveSnapshot(store, {
      ...{ rootfs, record, base, baseline, withoutBase, compression, parent },
      ...signing,
    });
  };
  return {
    container,
    base,
    save,
    saveLeg: async (store, options) => {
      writeFileSync(join(container, 'made'), options.content ?? randomBytes(20_000));
      return (await save(store, options)).snapshot;
    },
  };
}

const recordOf = (hash: ProjectHash, seconds: number): SnapshotRecord => ({
  format: RECORD_FORMAT,
  hash,
  project: 'small',
  step: 'build',
  targets: ['linux'],
  version: null,
  filename: null,
  expectedScripts: null,
  legs: [
    {
      startedAt: '2026-01-02T03:04:05.000Z',
      endedAt: '2026-01-02T03:04:06.000Z',
      seconds,
      stoppedIn: 'build',
      place: null,
      division: null,
      escalation: 'SIGINT',
      removedFiles: [],
    },
  ],
  parkedAt: '2026-01-02T03:04:05.000Z',
  tmpFolders: [],
  inputs: null,
  endedScripts: [],
  reason: 'interrupted',
});

interface Manifest {
  format: number;
  snapshots: { digest: string; size: number; annotations: Record<string, string> }[];
  blobs: { digest: string; size: number; parts: { file: string; size: number; sha256: string }[] }[];
  absent: string[];
}

/** What `manifest.json` of an export says, as it stands in the file. */
export const readExportManifest = (dir: string): Manifest =>
  parseSealed(readFileSync(join(dir, 'manifest.json'))) as Manifest;

/** Changes `manifest.json` of an export, and seals it anew. */
export function editExportManifest(dir: string, edit: (manifest: Manifest) => void): void {
  const manifest = readExportManifest(dir);
  edit(manifest);
  writeFileSync(join(dir, 'manifest.json'), sealJson(manifest));
}

/** The parts of an export, sorted as the shell sorts them. */
export const partsOf = (dir: string): string[] => readdirSync(join(dir, 'parts')).sort();
