import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runScript, type RewriteScript } from '../../fixtures/scripts/run-script.js';
import { readScriptCase } from '../../fixtures/scripts/script-case.js';

const ROOT = join(import.meta.dirname, '..', '..');
const SCRIPTS = join(ROOT, 'fixtures', 'scripts');

/** BASHES=/opt/bash-4.4/bin/bash:bash tries several; SCRIPTS=cd,umask runs only those; EVERYWHERE=1 kills it in many more places. */
const bashes = (process.env.BASHES ?? 'bash').split(':');
const only = process.env.SCRIPTS?.split(',');

const names = readdirSync(SCRIPTS)
  .filter((name) => name.endsWith('.sh'))
  .filter((name) => only?.includes(name.slice(0, -3)) ?? true)
  .sort();

const rewriter = join(ROOT, 'lib', 'script', 'rewrite.ts');
const skip = existsSync(rewriter) ? false : 'there is no lib/script/rewrite.ts';

const rewrite: RewriteScript = async (source, options) => {
  const { rewriteScript } = (await import(rewriter)) as { rewriteScript: RewriteScript };
  return rewriteScript(source, options);
};

describe(
  'a script that is stopped or killed anywhere does what it does in one go',
  { concurrency: 4, skip },
  () => {
    for (const bash of bashes) {
      for (const name of names) {
        it(`${name} with ${bash}`, async (test) => {
          const script = await readScriptCase(join(SCRIPTS, name));
          assert.notEqual(script.about, '', 'its first comment says what it is about');
          const report = await runScript(script, {
            rewrite,
            bash,
            everywhere: process.env.EVERYWHERE === '1',
            runtime: join(ROOT, 'perl-shim', 'libexec', 'units.bash'),
          });
          if (report.reason !== null) test.skip(`not rewritten: ${report.reason}`);
          else test.diagnostic(`stopped after ${report.stops} of ${report.steps} steps: ${script.about}`);
        });
      }
    }
  },
);
