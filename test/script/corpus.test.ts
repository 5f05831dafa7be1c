import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runScript } from '../../fixtures/scripts/run-script.js';
import { readRuntime } from '../../fixtures/scripts/runtime.js';
import { readScriptCase } from '../../fixtures/scripts/script-case.js';
import { rewriteScript } from '../../lib/script/rewrite.js';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPTS = join(ROOT, 'fixtures', 'scripts');

/** BASHES=/opt/bash-4.4/bin/bash:bash tries several; SCRIPTS=cd,umask runs only those; EVERYWHERE=1 kills it in many more places. */
const bashes = (process.env.BASHES ?? 'bash').split(':');
const runtime = readRuntime();
const only = process.env.SCRIPTS?.split(',');

const names = readdirSync(SCRIPTS)
  .filter((name) => name.endsWith('.sh'))
  .filter((name) => only?.includes(name.slice(0, -3)) ?? true)
  .sort();

/** The scripts that have to run as they are, and why; all others must be divided. */
const UNDIVIDED: Readonly<Record<string, RegExp>> = {
  'aliases-late.sh': /the alias say is defined after/,
  'aliases.sh': /unexpected token 'fi'/,
  'array-keys.sh': /not a valid arithmetic operator/,
  'function-nesting.sh': /between its statements: FUNCNEST/,
  'listings.sh': /between its statements: declare -F/,
  'quotes-in-patterns.sh': /cannot be followed by a word/,
  'quotes.sh': /unterminated double quote/,
  'script-name-set.sh': /between its statements: BASH_ARGV0/,
  'seconds.sh': /between its statements: unset SECONDS/,
  'special-variables.sh': /between its statements: BASH_ARGV0/,
  'syntax-error-open.sh': /expected 'fi' to close 'if'/,
  'syntax-error.sh': /unexpected token '\)'/,
  'traps-exit-command.sh': /between its statements: trap .* EXIT/,
  'traps-debug.sh': /between its statements: trap .* DEBUG/,
  'traps-return.sh': /between its statements: trap .* RETURN/,
  'verbose.sh': /between its statements: set -v/,
};

describe(
  'a script that is stopped or killed anywhere does what it does in one go',
  { concurrency: 4 },
  () => {
    for (const bash of bashes) {
      for (const name of names) {
        it(`${name} with ${bash}`, async (test) => {
          const script = await readScriptCase(join(SCRIPTS, name));
          assert.notEqual(script.about, '', 'its first comment says what it is about');
          const report = await runScript(script, {
            rewrite: rewriteScript,
            bash,
            everywhere: process.env.EVERYWHERE === '1',
            runtime,
          });
          const undivided = UNDIVIDED[name];
          if (undivided !== undefined) assert.match(report.reason ?? 'it is divided', undivided);
          else assert.equal(report.reason, null);
          if (report.reason === null)
            test.diagnostic(`${report.steps} steps, ${report.longs} of them long: ${script.about}`);
        });
      }
    }
  },
);
