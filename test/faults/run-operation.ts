import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { packageDir } from '../rbm/workspace.js';
import { attachStrace } from './strace.js';

const work = mkdtempSync(join(tmpdir(), 'rbm-resume-faults-'));
after(() => rmSync(work, { recursive: true }));

/** The program as JavaScript that runs on dist/: it starts in a fraction of the time, and there are thousands of points. */
const program = ((): string => {
  const source = readFileSync(join(packageDir, 'test', 'faults', 'operation.ts'), 'utf8');
  const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(source, { compilerOptions: target });
  const file = join(work, 'operation.mjs');
  writeFileSync(
    file,
    outputText.replaceAll('../../lib/', `${pathToFileURL(join(packageDir, 'dist')).href}/`),
  );
  return file;
})();

/** How an operation ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether the operation has been acknowledged. */
  readonly isDone: boolean;
  /** The code of the error that it told, where it could. */
  readonly code: string | null;
  readonly said: string;
  readonly ms: number;
}

/** What is done to an operation while it runs. */
export interface Fault {
  /** Of strace(1): `fsync:error=EIO:when=3`, or `trace=…` to watch. */
  readonly expressions: readonly string[];
  /** Whether calls of the main thread count as well; each thread counts for itself. Programs that it starts don't. */
  readonly isMainToo: boolean;
  readonly output?: string;
}

/** An operation that hangs fails its test after so long, however slow the machine is. */
const HANGS_AFTER_MS = 300_000;

/** Runs an operation of operation.ts, with a fault, or killed after so many milliseconds. */
export async function runOperation(
  words: readonly string[],
  options: { readonly fault?: Fault; readonly killAfterMs?: number } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...words], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', TMPDIR: tmpdir(), UV_THREADPOOL_SIZE: '1' },
  });
  const said: string[] = [];
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  child.stdin.on('error', () => {});
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const ready = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said.push(chunk.toString());
      const tid = /^ready (\d+)$/m.exec(said.join(''))?.[1];
      if (tid !== undefined) resolve(tid);
    });
  });
  const tid = await Promise.race([ready, closed.then(() => '')]);
  if (tid === '') throw new Error(`the operation did not begin: ${said.join('')}`);
  const { fault } = options;
  const tracer =
    fault &&
    (await attachStrace(fault.isMainToo ? [tid, String(child.pid)] : [tid], [
      ...['-o', fault.output ?? '/dev/null'],
      ...fault.expressions.flatMap((one) => ['-e', one]),
    ]));
  const since = performance.now();
  child.stdin.end('g');
  const giveUp = new AbortController();
  const timer = setTimeout(options.killAfterMs ?? HANGS_AFTER_MS, null, { signal: giveUp.signal })
    .then(() => void child.kill('SIGKILL'))
    .catch(() => {});
  const [status, signal] = await closed;
  const ms = performance.now() - since;
  giveUp.abort();
  await timer;
  await tracer?.ended;
  const text = said.join('');
  if (options.killAfterMs === undefined && ms >= HANGS_AFTER_MS)
    throw new Error(`${words.join(' ')} hangs with ${fault?.expressions.join(' ') ?? 'no fault'}: ${text}`);
  const code = /"code": "([A-Z_]+)"/.exec(text)?.[1] ?? null;
  return { status, signal, isDone: /^done$/m.test(text), code, said: text, ms };
}

/** How often the operation makes each of these calls, in the thread that makes most of them. */
export async function countCalls(
  words: readonly string[],
  calls: readonly string[],
  isMainToo: boolean,
): Promise<Map<string, number>> {
  const output = join(work, 'calls');
  const expressions = [`trace=${calls.join(',')}`];
  const { isDone, said } = await runOperation(words, { fault: { expressions, isMainToo, output } });
  if (!isDone) throw new Error(`the operation fails without a fault: ${said}`);
  const counts = new Map<string, Map<string, number>>();
  for (const [, tid = '', call = ''] of readFileSync(output, 'utf8').matchAll(/^(\d+ +)?([a-z0-9_]+)\(/gm)) {
    const of = counts.get(call) ?? new Map<string, number>();
    counts.set(call, of.set(tid, (of.get(tid) ?? 0) + 1));
  }
  return new Map([...counts].map(([call, of]) => [call, Math.max(...of.values())]));
}
