import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { ciFiles } from '../../lib/ci/files.js';
import { plannedBuild } from './plans.js';

const PLAN = { ...{ project: 'a', step: 'build', targets: [] }, builds: [plannedBuild('a')] };

/** Stand-ins for what the step calls, which say what they were asked. */
const PROGRAMS = {
  'rbm-resume': `mkdir -p out/a; echo whole > out/a/leg-$LEG
    while [ "$1" != --outcome ]; do shift; done
    echo "$OUTCOME" > "$2"`,
  curl: 'echo "curl $*" >> "$ASKED"',
};

describe('the workflow for Woodpecker', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'rbm-resume-woodpecker-'));
    mkdirSync(join(root, 'bin'));
    for (const [name, text] of Object.entries(PROGRAMS))
      writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  });
  after(() => rmSync(root, { recursive: true }));

  /** Runs the step of a leg in an empty folder, with the variables that Woodpecker 3 sets and no others. */
  function runLeg(leg: number, outcome: string, programs = join(root, 'bin')) {
    const [{ text = '' } = {}] = ciFiles('woodpecker', PLAN, { prepare: ['true'] });
    const { steps } = parse(text) as { steps: { image: string; commands: string[] }[] };
    const cwd = mkdtempSync(join(root, 'workspace-'));
    const asked = join(cwd, 'asked');
    writeFileSync(asked, '');
    const { status, signal, stderr } = spawnSync(
      String(steps[0]?.image),
      ['-e', '-c', String(steps[0]?.commands.join('\n'))],
      {
        cwd,
        encoding: 'utf8',
        env: {
          ...{ PATH: `${programs}:${join(root, 'bin')}:${process.env.PATH}`, CI_REPO_REMOTE_ID: '99' },
          ...{ CI_SYSTEM_URL: 'https://ci.example.com', CI_PIPELINE_NUMBER: '3', CI_PIPELINE_STARTED: '1' },
          CI_PIPELINE_URL: 'https://ci.example.com/repos/7/pipeline/3',
          ...{ RBM_RESUME_CARRY: join(root, 'carry'), RBM_RESUME_TOKEN: 'secret' },
          ...{ ASKED: asked, LEG: String(leg), OUTCOME: outcome },
        },
      },
    );
    const found = spawnSync('ls', ['out/a'], { cwd, encoding: 'utf8' }).stdout.trim().split('\n');
    return { status, signal, stderr, found, asked: readFileSync(asked, 'utf8') };
  }

  it('begins the next leg by the address of its own pipeline, and hands on what it has built', () => {
    const first = runLeg(1, 'outcome=interrupted');
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.asked, /Bearer secret https:\/\/ci\.example\.com\/api\/repos\/7\/pipelines\/3\n$/);
    const second = runLeg(2, 'outcome=finished');
    assert.deepEqual([second.status, second.found, second.asked], [0, ['leg-1', 'leg-2'], ''], second.stderr);
  });

  it('hands on no half file of a job that was killed', () => {
    const programs = join(root, 'killed');
    mkdirSync(programs);
    // Half of a file is copied to where the next leg looks, and then the job is killed.
    writeFileSync(
      join(programs, 'cp'),
      `#!/bin/sh
      for to; do :; done
      case "$to" in
        "$RBM_RESUME_CARRY"*) mkdir -p "$to"; printf wh > "$to/leg-$LEG"; kill -KILL "$PPID"; exit 1;;
        *) exec /bin/cp "$@";;
      esac\n`,
      { mode: 0o755 },
    );
    assert.equal(runLeg(3, 'outcome=interrupted', programs).signal, 'SIGKILL');
    const { status, found, stderr } = runLeg(4, 'outcome=finished');
    assert.deepEqual([status, found], [0, ['leg-1', 'leg-2', 'leg-4']], stderr);
    // Killed between the two renames, when all was copied.
    const kept = join(root, 'carry/7/rbm-a/branch/out/a');
    renameSync(kept, `${kept}.next`);
    assert.deepEqual(runLeg(5, 'outcome=finished').found, ['leg-1', 'leg-2', 'leg-4', 'leg-5']);
  });
});
