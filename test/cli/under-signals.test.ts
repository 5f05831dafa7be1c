import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

/** Prints what each signal comes to, and ends with the last one. */
const PROGRAM = `
  const { describeLeft, underSignals } = await import(${JSON.stringify(import.meta.resolve('../../lib/cli/under-signals.ts'))});
  await underSignals(async (signals) => {
    const timer = setInterval(() => {}, 1000);
    const { interruptSignal, signal: cancel, killSignal, left } = signals;
    for (const [name, signal] of Object.entries({ interruptSignal, cancel, killSignal }))
      signal.addEventListener('abort', () =>
        console.log('<' + name + (left() === 0 ? '' : ': ' + describeLeft(left())) + '>'));
    console.log('<ready>');
    await new Promise((resolve) => killSignal.addEventListener('abort', resolve));
    clearInterval(timer);
  }, OPTIONS);`;
const nodeWith = (options: { readonly keepsNothing?: boolean }) => {
  const program = PROGRAM.replace('OPTIONS', JSON.stringify(options));
  return [process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program];
};
const NODE = nodeWith({});

/** What is said between one step and the next, where each step is far enough from the last to be no echo of it. */
async function saidAfter(
  [program = '', ...args]: readonly string[],
  steps: readonly ((child: ReturnType<typeof spawn>) => void)[],
): Promise<string[][]> {
  const child = spawn(program, args, { stdio: 'pipe' });
  child.stderr.pipe(process.stderr);
  let said: string[] = [];
  const heard = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      // The terminal shows the keys as well.
      const names = [...data.toString().matchAll(/<([\w: -]+)>/g)].map(([, name = '']) => name);
      if (names.includes('ready')) resolve();
      said.push(...names.filter((name) => name !== 'ready'));
    });
    child.on('error', reject);
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await heard;
  const all: string[][] = [];
  for (const step of steps) {
    step(child);
    await sleep(1500);
    all.push(said);
    said = [];
  }
  await ended;
  return all;
}

const quoted = (words: readonly string[]) =>
  words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
const atTerminal = (command: readonly string[]) => ['script', '-qec', quoted(command), '/dev/null'];
const typeCtrlC = (child: ReturnType<typeof spawn>) => child.stdin?.write('\x03');

describe('the signals to a command that builds', { concurrency: true }, () => {
  it('a person at a terminal hurries with the second Ctrl-C, and ends all with the third', async () => {
    assert.deepEqual(await saidAfter(atTerminal(NODE), [typeCtrlC, typeCtrlC, typeCtrlC]), [
      ['interruptSignal: two more Ctrl-C stop'],
      ['cancel: another Ctrl-C stops'],
      ['killSignal'],
    ]);
  });

  it('the first Ctrl-C at a terminal cancels what keeps nothing', async () => {
    const node = nodeWith({ keepsNothing: true });
    assert.deepEqual(await saidAfter(atTerminal(node), [typeCtrlC, typeCtrlC]), [
      ['cancel: another Ctrl-C stops'],
      ['killSignal'],
    ]);
  });

  it('a Ctrl-C that npx hands on as well is one', async () => {
    const twice = (child: ReturnType<typeof spawn>) => {
      typeCtrlC(child);
      setTimeout(() => typeCtrlC(child), 100);
    };
    assert.deepEqual(await saidAfter(atTerminal(NODE), [twice, typeCtrlC, typeCtrlC]), [
      ['interruptSignal: two more Ctrl-C stop'],
      ['cancel: another Ctrl-C stops'],
      ['killSignal'],
    ]);
  });

  it('without a terminal the first signal cancels, whichever it is', async () => {
    const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    const said = names.map((name) => {
      const send = (child: ReturnType<typeof spawn>) => child.kill(name);
      return saidAfter(NODE, [send, send]);
    });
    for (const each of await Promise.all(said))
      assert.deepEqual(each, [['cancel: another signal stops'], ['killSignal']]);
  });

  it('a SIGHUP that comes with a SIGTERM is none of its own', async () => {
    const both = (child: ReturnType<typeof spawn>) => {
      child.kill('SIGTERM');
      child.kill('SIGHUP');
    };
    assert.deepEqual(await saidAfter(NODE, [both, (child) => child.kill('SIGTERM')]), [
      ['cancel: another signal stops'],
      ['killSignal'],
    ]);
  });
});
