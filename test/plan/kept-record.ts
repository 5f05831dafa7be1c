import { RECORD_FORMAT } from '../../lib/store/record.js';

export const KEPT_HASH = 'ef'.repeat(32);

const range = { first: 100_000, count: 65_536 };

/** What stands beside a parked tree, as far as it can be read; project and file name are still to be said. */
export const keptRecord = {
  format: RECORD_FORMAT,
  hash: KEPT_HASH,
  step: 'build',
  targets: ['small'],
  version: '1.0',
  workspace: null,
  expectedScripts: null,
  idMap: { uid: 0, gid: 0, uids: range, gids: range },
  legs: [],
  container: '/tmp/container',
  parkedAt: '2026-01-02T03:04:05.000Z',
  bootId: 'boot',
  inode: '1',
  tmpFolders: [],
  inputs: null,
  endedScripts: [],
  baseline: null,
  reason: 'interrupted',
};
