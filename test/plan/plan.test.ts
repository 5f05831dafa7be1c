import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import fse from 'fs-extra';
import { planBuild } from '../../lib/plan/plan.js';
import type { Plan, PlannedBuild } from '../../lib/plan/planned-build.js';
import { describeBuild, makeWorkspace, rbmsUnderTest } from '../rbm/workspace.js';
import { GRAPH, writeWorkspace } from './graph-workspace.js';
import { KEPT_HASH, keptRecord } from './kept-record.js';

const shapeOf = ({ builds }: Plan) => builds.map(({ id, needs }) => [id, needs]);

const idsOf = (plan: Plan, wanted: (build: PlannedBuild) => boolean): string[] =>
  plan.builds.filter(wanted).map(({ id }) => id);

/** Every file and folder of a workspace, with its size and time. */
const listing = (dir: string): string =>
  spawnSync('find', [dir, '-printf', '%p %s %T@\\n'], { encoding: 'utf8' }).stdout;

for (const { name, dir: rbmDir } of rbmsUnderTest()) {
  describe(`planBuild with ${name}`, { timeout: 600_000 }, () => {
    const rbm = join(rbmDir, 'rbm');
    const made: string[] = [];
    after(() => made.forEach((dir) => rmSync(dirname(dir), { recursive: true })));
    const workspaceOf = (files: Readonly<Record<string, string>>): string => {
      const dir = writeWorkspace(files);
      made.push(dir);
      return dir;
    };
    const say = (workspace: string, args: readonly string[]): string => {
      const { status, stdout, stderr } = spawnSync(rbm, args, { cwd: workspace, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return stdout.trim();
    };

    it('gives every build with its targets and step, each after all that it needs', async () => {
      const plan = await planBuild({
        workspace: workspaceOf(GRAPH),
        rbm,
        project: 'browser',
        targets: ['linux'],
      });
      assert.deepEqual(shapeOf(plan), [
        ['libc', []],
        ['compiler (linux)', ['libc']],
        ['engine (linux)', ['compiler (linux)', 'libc']],
        ['compiler (nightly linux)', ['libc']],
        ['engine (nightly linux)', ['compiler (nightly linux)', 'libc']],
        ['engine sources', []],
        ['tor (mac)', ['compiler (linux)']],
        ['tor (mac-arm)', ['compiler (linux)']],
        ['fonts', []],
        [
          'browser',
          [
            'compiler (linux)',
            'engine (linux)',
            'engine (nightly linux)',
            'engine sources',
            'tor (mac)',
            'tor (mac-arm)',
            'fonts',
          ],
        ],
      ]);
      assert.deepEqual(
        plan.builds.slice(-2).map(({ project, step, targets }) => [project, step, targets]),
        [
          ['fonts', 'build', ['linux', 'nightly']],
          ['browser', 'build', ['linux']],
        ],
      );
    });

    it('names projects, files and folders as rbm does when it is asked for each', async () => {
      const workspace = workspaceOf(GRAPH);
      const plan = await planBuild({ workspace, rbm, project: 'browser', targets: ['linux'] });
      for (const { id, project, step, targets, filename, output } of plan.builds) {
        if (!/^(?:libc|engine|browser)/.test(id)) continue;
        const options = ['--step', step, ...targets.flatMap((target) => ['--target', target])];
        assert.equal(filename, say(workspace, ['showconf', ...options, project, 'filename']));
        assert.equal(output, `out/${project}/${filename}`);
      }
      assert.equal(say(workspace, ['showconf', 'engine', 'output_dir']), 'out/engine');
      const used = say(workspace, [
        'show_used_projects',
        'browser',
        'input_files_paths',
        '--target',
        'linux',
      ]);
      assert.deepEqual([...new Set(plan.builds.map(({ project }) => project))].sort(), used.split('\n'));
    });

    it('changes nothing in the workspace and gives the same each time', async () => {
      const workspace = workspaceOf(GRAPH);
      const before = listing(workspace);
      const asked = { workspace, rbm, project: 'browser', targets: ['mac'] };
      const plan = await planBuild(asked);
      assert.deepEqual(await planBuild(asked), plan);
      assert.equal(listing(workspace), before);
    });

    it('tells what is built, and what is not needed any more because of it', async () => {
      const workspace = workspaceOf(GRAPH);
      const asked = { workspace, rbm, project: 'browser', targets: ['linux'] };
      const plan = await planBuild(asked);
      for (const { id, output } of plan.builds) {
        if (!/^(?:engine|fonts)/.test(id)) continue;
        fse.outputFileSync(join(workspace, output), 'built');
      }
      const later = await planBuild(asked);
      const engines = plan.builds.filter(({ id }) => /^(?:engine|fonts)/.test(id)).map(({ id }) => id);
      assert.deepEqual(
        idsOf(later, ({ state }) => state === 'built'),
        engines,
      );
      assert.deepEqual(
        idsOf(later, ({ isNeeded }) => !isNeeded),
        ['compiler (nightly linux)'],
      );
      assert.deepEqual(shapeOf(later), shapeOf(plan));
    });

    it('tells what rbm does not make in the same way when it is asked for that alone', async () => {
      const workspace = workspaceOf({
        'projects/app/config': `
input_files:
  - {project: lib, name: a}
  - {project: lib, name: b, flavour: bitter}
`,
        'projects/lib/config': 'filename: \'lib-[% c("flavour") || "plain" %]\'\ninput_files: []\n',
      });
      const { builds } = await planBuild({ workspace, rbm, project: 'app' });
      assert.deepEqual(builds.map(({ filename, isStandalone }) => [filename, isStandalone]).slice(0, 2), [
        ['lib-plain', true],
        ['lib-bitter', false],
      ]);
      assert.deepEqual(
        builds.map(({ id }) => id),
        ['lib', 'lib #2', 'app'],
      );
    });

    it('tells what is kept of an interrupted build, under the name that a description gives it', async () => {
      const workspace = makeWorkspace();
      made.push(workspace);
      const described = describeBuild({ name, dir: rbmDir }, workspace, {
        project: 'libtally',
        targets: ['small'],
      });
      const { filename } = JSON.parse(described) as { filename: string };
      const park = (record: Record<string, unknown>): void =>
        fse.outputJsonSync(
          join(workspace, 'resume', '.rbm-resume', 'parked', KEPT_HASH, 'record.json'),
          record,
        );
      const states = async (): Promise<string[]> =>
        (await planBuild({ workspace, rbm, project: 'tally', targets: ['small'] })).builds.map(
          ({ state }) => state,
        );
      park({ ...keptRecord, project: 'libtally', filename });
      assert.deepEqual(await states(), ['kept', 'to-do']);
      park({ ...keptRecord, project: 'libtally', filename: `${filename}.old` });
      assert.deepEqual(await states(), ['to-do', 'to-do']);
    });

    it('says what it could not look at, and leaves open what depends on that', async () => {
      const workspace = workspaceOf({
        'projects/app/config': `
input_files:
  - {project: lib}
  - {URL: 'http://example.invalid/tool.tar', filename: tool.tar, sha256sum: ${'1'.repeat(64)}}
  - {filename: missing.txt, sha256sum: ${'2'.repeat(64)}}
`,
        'projects/lib/config': `
git_url: http://example.invalid/lib.git
git_hash: main
input_files:
  - {project: known}
`,
        'projects/known/config': `
input_files:
  - {filename: made.txt, exec: 'touch made.txt'}
`,
      });
      const { builds } = await planBuild({ workspace, rbm, project: 'app' });
      const found = builds.map(({ id, filename, isNameKnown, unknown }) => ({
        id,
        filename,
        isNameKnown,
        unknown,
      }));
      const open = 'file name: depends on what is missing here or in what it needs';
      const [known] = found;
      assert.match(known?.filename ?? '', /^known-any-[0-9a-f]{6}\.tar$/);
      assert.deepEqual(found, [
        { ...known, isNameKnown: true, unknown: ['input file made.txt: is made by a command'] },
        {
          id: 'lib',
          filename: 'lib-any-??????.tar',
          isNameKnown: false,
          unknown: ['sources: need git clone of http://example.invalid/lib.git', open],
        },
        {
          id: 'app',
          filename: 'app-any-??????.tar',
          isNameKnown: false,
          unknown: [
            'input file tool.tar: needs download of http://example.invalid/tool.tar',
            'input file missing.txt: is not there',
            open,
          ],
        },
      ]);
      assert.deepEqual(fse.readdirSync(workspace).sort(), ['projects', 'rbm.conf']);
    });

    // The stand-in knows no git; the loop says when only that is tested.
    if (name === 'real rbm') {
      it('asks a clone that is there, where no fetch can change the answer', async () => {
        const git = (dir: string, ...args: string[]): string => {
          const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid'];
          return spawnSync('git', ['-C', dir, ...who, ...args], { encoding: 'utf8' }).stdout.trim();
        };
        const workspace = workspaceOf({ 'git_clones/lib/file': 'source' });
        const clone = join(workspace, 'git_clones', 'lib');
        git(clone, 'init', '-q', '-b', 'main');
        git(clone, 'add', 'file');
        git(clone, 'commit', '-qm', 'first');
        const planAt = async (hash: string): Promise<PlannedBuild | undefined> => {
          const config = `git_url: http://example.invalid/lib.git\ngit_hash: ${hash}\n`;
          fse.outputFileSync(join(workspace, 'projects', 'lib', 'config'), config);
          return (await planBuild({ workspace, rbm, project: 'lib' })).builds.at(-1);
        };
        const atCommit = await planAt(git(clone, 'rev-parse', 'HEAD'));
        assert.deepEqual([atCommit?.isNameKnown, atCommit?.unknown], [true, []]);
        assert.equal(atCommit?.filename, say(workspace, ['showconf', 'lib', 'filename']));
        assert.equal((await planAt('main'))?.isNameKnown, false);
      });
    }

    it('says what rbm says of a project that there is not', async () => {
      const workspace = workspaceOf(GRAPH);
      await assert.rejects(planBuild({ workspace, rbm, project: 'no-such' }), {
        code: 'COMMAND_FAILED',
        message: /Unknown project no-such/,
      });
    });

    it('says what to do where rbm is not there', async () => {
      await assert.rejects(planBuild({ workspace: workspaceOf(GRAPH), project: 'app' }), {
        code: 'COMMAND_NOT_FOUND',
        hint: /--rbm.*git submodule update --init/,
      });
    });

    it('is refused where two projects need each other', async () => {
      const config = (input: string) =>
        `version: 1\nfilename: '[% project %].tar'\ninput_files:\n  - project: ${input}\n    name: ${input}\n`;
      const workspace = workspaceOf({
        ...GRAPH,
        ...{ 'projects/hen/config': config('egg'), 'projects/egg/config': config('hen') },
      });
      await assert.rejects(planBuild({ workspace, rbm, project: 'hen' }), {
        code: 'BAD_CONFIG',
        message: 'egg and hen need each other',
      });
    });

    it('is not disturbed by what a local configuration prints, nor by the shim', async () => {
      const workspace = makeWorkspace();
      made.push(workspace);
      const loaded = fse.readFileSync(join(workspace, 'rbm.local.conf'), 'utf8');
      writeFileSync(join(workspace, 'rbm.local.conf'), `${loaded}--- |\n  warn 'here';\n  ();\n`);
      const plan = await planBuild({ workspace, rbm, project: 'tally', targets: ['small'] });
      assert.deepEqual(shapeOf(plan), [
        ['libtally', []],
        ['tally', ['libtally']],
      ]);
      mkdirSync(join(workspace, 'rbm'));
      writeFileSync(join(workspace, 'rbm', 'rbm'), `#!/bin/sh\nexec '${rbm}' "$@"\n`, { mode: 0o755 });
      assert.deepEqual(await planBuild({ workspace, project: 'tally', targets: ['small'] }), plan);
    });
  });
}
