import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A file of a build's output, or something else in it. */
export interface OutputFile {
  /** Relative to the output's folder. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  /** Of a file. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  readonly isExecutable: boolean;
  /** Of a symbolic link. */
  readonly target: string | null;
}

/** A path at which two outputs differ. */
export interface OutputDifference {
  readonly path: string;
  /** `missing`: only the uninterrupted build has it; `extra`: only the resumed one. */
  readonly what: 'missing' | 'extra' | 'type' | 'content' | 'target' | 'mode';
}

/** All that lies in a folder, sorted by path. */
export async function listOutputs(dir: string): Promise<OutputFile[]> {
  const names = (await readdir(dir, { recursive: true })).sort();
  const found: OutputFile[] = [];
  for (const path of names) found.push(await describeFile(dir, path));
  return found;
}

async function describeFile(dir: string, path: string): Promise<OutputFile> {
  const full = join(dir, path);
  const stat = await lstat(full);
  const base = { path, bytes: null, sha256: null, isExecutable: false, target: null };
  if (stat.isSymbolicLink()) return { ...base, type: 'symlink', target: await readlink(full) };
  if (stat.isDirectory()) return { ...base, type: 'directory' };
  if (!stat.isFile()) return { ...base, type: 'other' };
  return {
    ...base,
    type: 'file',
    bytes: stat.size,
    sha256: await sha256Of(full),
    isExecutable: (stat.mode & 0o111) !== 0,
  };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Where `b` is otherwise than `a`; byte for byte, and whether a file may be run. */
export function compareOutputs(a: readonly OutputFile[], b: readonly OutputFile[]): OutputDifference[] {
  const [inA, inB] = [a, b].map((files) => new Map(files.map((file) => [file.path, file]))) as [
    Map<string, OutputFile>,
    Map<string, OutputFile>,
  ];
  return [...new Set([...inA.keys(), ...inB.keys()])].sort().flatMap((path) => {
    const what = differenceOf(inA.get(path), inB.get(path));
    return what === null ? [] : [{ path, what }];
  });
}

function differenceOf(a: OutputFile | undefined, b: OutputFile | undefined): OutputDifference['what'] | null {
  if (a === undefined) return 'extra';
  if (b === undefined) return 'missing';
  if (a.type !== b.type) return 'type';
  if (a.sha256 !== b.sha256) return 'content';
  if (a.target !== b.target) return 'target';
  return a.isExecutable === b.isExecutable ? null : 'mode';
}
