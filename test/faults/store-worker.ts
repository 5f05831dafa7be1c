/**
 * What the test of many processes on one store runs, over and over in one process: `STORE WORK BASE NAME ROUNDS`. Each round
 * saves, restores, lists, exports or collects garbage, and says what came of it as a line of JSON ({@link Report}).
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { extractContainer } from '../../fixtures/trees/base-tarball.js';
import { parseProjectHash, type ProjectHash } from '../../lib/digest.js';
import { RbmResumeError, type ErrorCode } from '../../lib/errors.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { exportSnapshots } from '../../lib/snapshot/export.js';
import { openStore } from '../../lib/snapshot/open-store.js';
import { restoreTree } from '../../lib/snapshot/restore.js';
import { saveSnapshot } from '../../lib/snapshot/save.js';
import type { SnapshotEntry } from '../../lib/snapshot/snapshot.js';
import { collectGarbage } from '../../lib/store/gc.js';
import { RECORD_FORMAT, type SnapshotRecord } from '../../lib/store/record.js';

/** What a round has done. `refused`: an error that may come, by its code. `wrong`: anything that may not. */
export type Report =
  | { readonly did: 'saved'; readonly hash: string; readonly generation: number; readonly digest: string }
  | { readonly did: 'restored' | 'listed' | 'exported' | 'collected' }
  | { readonly did: 'refused'; readonly code: string; readonly op: string }
  | { readonly did: 'wrong'; readonly what: string };

/** The few project hashes under which all of them save, so that they get into each other's way. */
export const HASHES = ['a', 'b', 'c'].map((digit) => parseProjectHash(digit.repeat(64)));

const [root = '', work = '', base = '', name = '', rounds = '0'] = process.argv.slice(2);
const store = openStore(root);
const [container, baseline] = [join(work, 'container'), join(work, 'baseline')];

const report = (line: Report): void => void writeSync(1, `${JSON.stringify(line)}\n`);

/** A snapshot says in its record what its tree holds: whoever restores it can tell whether that is so. */
const contentOf = (token: string): Buffer =>
  Buffer.concat(Array.from({ length: 300 }, (_, index) => sha256(`${token} ${index}`)));
const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();

const recordOf = (hash: ProjectHash, token: string): SnapshotRecord => ({
  ...{ format: RECORD_FORMAT, hash, project: 'many', step: 'build', targets: [], version: token },
  ...{ filename: null, expectedScripts: ['build'], parkedAt: '2026-01-02T03:04:05.000Z', tmpFolders: [] },
  ...{ inputs: null, endedScripts: [], reason: 'interrupted' },
  legs: [
    {
      ...{ startedAt: '2026-01-02T03:00:00.000Z', endedAt: '2026-01-02T03:04:05.000Z', seconds: 245 },
      ...{ stoppedIn: 'build', place: null, division: null, escalation: 'SIGINT', removedFiles: [] },
    },
  ],
});

async function save(): Promise<void> {
  const hash = HASHES[randomInt(HASHES.length)]!;
  const token = `${name}-${randomBytes(6).toString('hex')}`;
  rmSync(join(container, 'made'), { force: true });
  writeFileSync(join(container, 'made'), contentOf(token));
  const options = { rootfs: container, record: recordOf(hash, token), base, baseline, parent: null };
  const { snapshot } = await saveSnapshot(root, options);
  report({ did: 'saved', hash, generation: snapshot.generation, digest: snapshot.digest });
}

async function restore(entry: SnapshotEntry): Promise<void> {
  const dir = join(work, `restored-${randomBytes(6).toString('hex')}`);
  const snapshot = await store.open(`${entry.hash}@${entry.generation}`);
  await restoreTree(snapshot, { dir });
  assert.deepEqual(readdirSync(dir).sort(), ['made', 'usr']);
  assert.deepEqual(
    sha256(readFileSync(join(dir, 'made'))),
    sha256(contentOf(String(snapshot.record.version))),
  );
  const tool = join('usr', 'tool');
  assert.deepEqual(sha256(readFileSync(join(dir, tool))), sha256(readFileSync(join(container, tool))));
  await removeTree(dir);
  report({ did: 'restored' });
}

async function exportOne(entry: SnapshotEntry): Promise<void> {
  const dir = join(work, 'exported');
  const { snapshots } = await exportSnapshots(root, dir, { names: [`${entry.hash}@${entry.generation}`] });
  assert.equal(snapshots.length, 1);
  for (const part of readdirSync(join(dir, 'parts'))) assert.ok(statSync(join(dir, 'parts', part)).size > 0);
  report({ did: 'exported' });
}

const isThere = async ({ digest }: SnapshotEntry): Promise<boolean> =>
  (await store.list()).some((entry) => entry.digest === digest);

/** What may come of reading a snapshot that is replaced meanwhile: it, or its blobs, are gone. */
const WHEN_REPLACED: readonly ErrorCode[] = ['NO_SUCH_SNAPSHOT', 'MISSING_BLOB'];

async function read(op: string, work: (entry: SnapshotEntry) => Promise<void>): Promise<void> {
  const entries = await store.list();
  const entry = entries[randomInt(Math.max(1, entries.length))];
  if (entry === undefined) return report({ did: 'listed' });
  try {
    await work(entry);
  } catch (error) {
    const isReplaced = error instanceof RbmResumeError && WHEN_REPLACED.includes(error.code);
    if (!isReplaced || (await isThere(entry))) throw error;
    report({ did: 'refused', op, code: error.code });
  }
}

const OPERATIONS: readonly [share: number, op: string, run: () => Promise<void>][] = [
  [40, 'save', save],
  [25, 'restore', () => read('restore', restore)],
  [10, 'export', () => read('export', exportOne)],
  [10, 'list', async () => (await store.list(), report({ did: 'listed' }))],
  [15, 'gc', async () => (await collectGarbage(store.paths), report({ did: 'collected' }))],
];

async function round(): Promise<void> {
  let at = randomInt(100);
  const [, op, run] = OPERATIONS.find(([share]) => (at -= share) < 0) ?? OPERATIONS[0]!;
  try {
    await run();
  } catch (error) {
    if (error instanceof RbmResumeError && error.code === 'STORE_BUSY')
      return report({ did: 'refused', op, code: error.code });
    report({ did: 'wrong', what: `${op}: ${error instanceof Error ? error.stack : String(error)}` });
  }
}

async function main(): Promise<void> {
  mkdirSync(work, { recursive: true });
  await extractContainer(base, container);
  await writeListing(container, baseline);
  for (let count = 0; count < Number(rounds); count += 1) await round();
}

if (root !== '') await main();
