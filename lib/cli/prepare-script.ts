import { rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { prepareScript } from '../container/prepare-script.js';
import { messageOf } from '../errors.js';
import { storePaths } from '../store/paths.js';
import { say } from './hook-arguments.js';

/** The status that says: the script has to run as it is. */
const AS_IT_IS = 3;

/** The program `perl-shim/libexec/prepare-script`, which `remote-exec` calls before it starts a script. */
export async function main(): Promise<void> {
  const env = (name: string): string => {
    const value = process.env[`RBM_RESUME_${name}`];
    if (value === undefined) throw new Error(`RBM_RESUME_${name} is not set`);
    return value;
  };
  const name = env('SCRIPT');
  const [source = name] = process.argv.slice(2);
  const live = storePaths(env('STORE')).live(basename(env('CONTAINER')));
  try {
    const options = { container: env('CONTAINER'), live, name, source, command: env('COMMAND') };
    const prepared = await prepareScript(options);
    if (prepared.how === 'divided') {
      await rm(live.unresumable, { force: true });
      prepared.notes.forEach(say);
      return;
    }
    await writeFile(live.unresumable, `${name} runs as it is: ${prepared.reason}\n`);
    say(`${name} can't be resumed at a statement and runs as it is: ${prepared.reason}`);
    process.exitCode = AS_IT_IS;
  } catch (error) {
    say(`${name} can't be prepared: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
