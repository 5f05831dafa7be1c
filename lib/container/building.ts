import { open } from 'node:fs/promises';
import { listLive, readRunning } from '../store/live.js';
import { storePaths, type LivePaths } from '../store/paths.js';
import type { LiveRecord } from '../store/record.js';
import { describePosition, readOutline, readPosition } from './script-units.js';
import { namingIoFailures } from '../system-error.js';

/** A container in which rbm builds now. */
export interface Building {
  readonly id: string;
  readonly record: LiveRecord;
  /** The script that runs in it, `null` between two scripts. */
  readonly running: string | null;
  /** Where in it; `null` when it runs as it is, or has not begun. */
  readonly place: Place | null;
}

/** A place in a script. */
export interface Place {
  /** `statement 14 of 22 (line 52): make -j8`. */
  readonly text: string;
  /** Which of the script's own statements, from 1, and how many there are. */
  readonly index: number;
  readonly of: number;
  readonly since: Date;
  /** How far the tool says that it is, `[3120/5404]` of ninja or ` 45%` of CMake's make; `null` when it says nothing. */
  readonly progress: string | null;
}

/** What is being built now with the store at `store`; containers of killed runs are no longer. */
export function listBuilding(store: string): Promise<Building[]> {
  return namingIoFailures(`listing what is built with ${store}`, () => readBuilding(store));
}

async function readBuilding(store: string): Promise<Building[]> {
  const building: Building[] = [];
  for (const { id, record, running, isOwnerAlive, paths } of await listLive(storePaths(store))) {
    if (record === null || !isOwnerAlive) continue;
    building.push({ id, record, running, place: running === null ? null : await findPlace(record, paths) });
  }
  return building;
}

async function findPlace({ container }: LiveRecord, live: LivePaths): Promise<Place | null> {
  const outline = await readOutline(live);
  const position = outline === null ? null : await readPosition(container);
  if (outline === null || position === null) return null;
  const running = await readRunning(live);
  const log = running?.log == null ? '' : await readTail(running.log);
  // The last line may not be whole.
  const [progress] = [...log.matchAll(/^\[(?:\s*\d+%|\d+\/\d+)\](?=.*\n)/gm)].at(-1) ?? [null];
  return {
    text: describePosition(outline, position.unit),
    index: Number.parseInt(position.unit, 10),
    of: outline.count,
    since: position.since,
    progress,
  };
}

const TAIL_BYTES = 8192;

/** The end of a file, or nothing when it can't be read. */
async function readTail(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}
