import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, describe, it } from 'node:test';
import { TrapWorkspace, until, type Finished, type TrapProject } from '../rbm/trap-workspace.js';
import { loadShim, rbmsUnderTest } from '../rbm/workspace.js';
import { editSealed } from '../store/sealed-files.js';

const WRITE = 'echo out > "[% dest_dir %]/[% c("filename") %]"';
/** Stops in its first leg, so it can be interrupted; ends with `end` in every later one. */
const stopsOnce = (end: string): string => `[ -e once ] || { touch once; echo FIRST; sleep 1000; }\n${end}`;

for (const rbm of rbmsUnderTest()) {
  describe(`the end of a build of ${rbm.name}`, () => {
    let workspace: TrapWorkspace | undefined;
    const make = (projects: Record<string, TrapProject>, options = {}): TrapWorkspace =>
      (workspace = new TrapWorkspace(rbm, projects, options));
    afterEach(() => workspace?.remove());

    const interruptFirstLeg = async (w: TrapWorkspace, project: string): Promise<Finished> => {
      const already = w.log(project).split('FIRST').length;
      const run = w.run(project);
      for (const end = Date.now() + 60_000; w.log(project).split('FIRST').length === already;) {
        assert.ok(Date.now() < end, `${project} did not begin: ${run.output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      run.child.kill('SIGTERM');
      const finished = await run.ended;
      assert.equal(finished.status, 75, finished.output);
      return finished;
    };

    it('is rbm’s own status when the build fails, and nothing is kept', async () => {
      const w = make({ broken: { build: `${WRITE}; exit 3` } });
      const { status, output } = await w.run('broken').ended;
      assert.equal(status, 1, output);
      assert.equal(w.output('broken'), null);
      assert.deepEqual([w.parked(), w.containers()], [[], []]);
    });

    it('charges a build that fails after a resume, and sets what is kept aside after two', async () => {
      const w = make({ broken: { build: stopsOnce('exit 3') } });
      for (const tries of [1, 2]) {
        await interruptFirstLeg(w, 'broken');
        const failed = await w.run('broken').ended;
        assert.equal(failed.status, 1, failed.output);
        assert.match(failed.output, new RegExp(`failed try ${tries} of 2`));
        assert.deepEqual(w.parked(), []);
      }
      await interruptFirstLeg(w, 'broken');
      // Two resumed builds have failed: the third starts clean, and says so.
      const before = w.log('broken').length;
      const clean = w.run('broken');
      await until(() => w.log('broken').slice(before).includes('FIRST'), 'a clean start');
      assert.match(w.log('broken').slice(before), /is set aside, the build starts clean: 2 builds/);
      clean.child.kill('SIGTERM');
      assert.equal((await clean.ended).status, 75);
      const { kept } = await w.json<{ kept: { state: string; failedTries: number }[] }>('list');
      assert.deepEqual(
        kept.map(({ state, failedTries }) => [state, failedTries]),
        [
          ['parked', 0],
          ['set-aside', 0],
        ],
      );
    });

    it('keeps a failed container for a look when the workspace asks for it', async () => {
      const w = make(
        { broken: { build: 'touch /var/tmp/look-at-me; exit 3' } },
        { conf: 'var:\n  resume_keep_failed: 1' },
      );
      const { status, output } = await w.run('broken').ended;
      assert.equal(status, 1);
      const path = /stays for a look: (\S+)/.exec(output)?.[1];
      assert.ok(path !== undefined && existsSync(join(path, 'var/tmp/look-at-me')), output);
      assert.match((await w.command('prune')).output, /removed failed:/);
      assert.ok(!existsSync(path));
    });

    it('keeps a finished build whose output could not be copied out, and only copies it the next time', async () => {
      const w = make(
        {
          full: {
            build: `echo BUILDING; ${WRITE}`,
            config: [
              'container:',
              '  remote_get: |',
              '    #!/bin/sh',
              '    set -e',
              '    test -e [% c("basedir") %]/has-room',
              `    [% c("rbmdir") %]/container get '[% c("container/dir") %]' [% c('get_src') %] [% c('get_dst') %]`,
            ].join('\n'),
          },
        },
        { localConf: loadShim() },
      );
      // A project's own remote_get hides ours, so the wrap is put into rbm.conf for this test.
      const config = join(w.dir, 'projects/full/config');
      const text = readFileSync(config, 'utf8');
      const own = text.slice(text.indexOf('container:'));
      writeFileSync(config, text.replace(own, ''));
      const conf = join(w.dir, 'rbm.conf');
      writeFileSync(conf, readFileSync(conf, 'utf8').replace('container:\n', own.trimEnd() + '\n'));

      const first = await w.run('full').ended;
      assert.equal(first.status, 1, first.output);
      assert.match(first.output, /output could not be copied out; its root filesystem is kept/);
      writeFileSync(join(w.dir, 'has-room'), '');
      const last = await w.run('full').ended;
      assert.equal(last.status, 0, last.output);
      assert.equal(w.output('full'), 'out\n');
      assert.equal(
        w.log('full').split('BUILDING').length,
        2,
        `built once:\n${w.log('full')}\n${first.output}\n${last.output}`,
      );
    });

    it('goes the clean way, with a line, when what was kept is damaged', async () => {
      const w = make({ hurt: { build: stopsOnce(WRITE) } });
      const damages: [string, (dir: string) => void][] = [
        ['record.json', (dir) => writeFileSync(join(dir, 'record.json'), '{"format":')],
        ['record.json: its checksum', (dir) => truncateSync(join(dir, 'record.json'), 100)],
        ['root filesystem is missing', (dir) => spawnSync('mv', [join(dir, 'rootfs'), `${dir}.away`])],
        [
          'is a copy, or was replaced',
          (dir) => spawnSync('sh', ['-c', 'mv rootfs old && cp -r old rootfs; rm -rf old'], { cwd: dir }),
        ],
        [
          'other id ranges',
          (dir) => {
            editSealed(join(dir, 'record.json'), (record) => {
              const { idMap, ...rest } = record as { idMap: { uids: object } };
              return { ...rest, idMap: { ...idMap, uids: { ...idMap.uids, first: 7 } } };
            });
          },
        ],
        [
          'restarted before',
          (dir) => {
            editSealed(join(dir, 'record.json'), (record) => ({ ...record, bootId: 'another' }));
            rmSync(join(dir, 'synced'), { force: true });
          },
        ],
      ];
      for (const [line, damage] of damages) {
        await interruptFirstLeg(w, 'hurt');
        const [hash] = w.parked();
        const dir = join(w.store, '.rbm-resume', 'parked', String(hash));
        await until(() => existsSync(join(dir, 'synced')), 'the mark that it is on the disk');
        damage(dir);
        const before = w.log('hurt').length;
        const again = w.run('hurt');
        await until(() => w.log('hurt').slice(before).includes('FIRST'), `a clean start after: ${line}`);
        assert.match(w.log('hurt').slice(before), new RegExp(`set aside, the build starts clean: .*${line}`));
        again.child.kill('SIGTERM');
        const ended = await again.ended;
        assert.equal(ended.status, 75, `${line}: ${ended.output}`);
        await w.command('remove', String(hash));
      }
    });

    it('copies the tree when the store lies on another file system, and says so', async (t) => {
      if (
        spawnSync('sh', ['-c', '[ "$(stat -fc %i /dev/shm)" != "$(stat -fc %i "$1")" ]', 'sh', '/var/tmp'])
          .status !== 0
      ) {
        return t.skip('/dev/shm is no file system of its own here');
      }
      const store = mkdtempSync('/dev/shm/rbm-resume-test-');
      chmodSync(store, 0o755);
      const w = make(
        { far: { build: stopsOnce(`stat -c '%y %a' once; ${WRITE}`) } },
        { conf: `var:\n  resume_store: '${store}'` },
      );
      try {
        const first = await interruptFirstLeg(w, 'far');
        assert.match(first.output, /another file system than tmp_dir, so the tree was copied/);
        const last = await w.run('far').ended;
        assert.equal(last.status, 0, last.output);
        assert.match(w.log('far'), /had to be copied/);
        assert.equal(w.output('far'), 'out\n');
      } finally {
        rmSync(store, { recursive: true, force: true });
      }
    });

    it('hands on to a remote_start that an old rbm.conf defines itself', async () => {
      const conf = [
        '  remote_start: |',
        '    #!/bin/sh',
        '    set -e',
        `    [% c("rbmdir") %]/container extract '[% c("container/dir") %]' '[% c("remote_srcdir") %]/container-image_'*`,
        `    echo old > '[% c("container/dir") %]'/old-way`,
      ].join('\n');
      const w = make(
        { old: { build: stopsOnce('cat /old-way > "[% dest_dir %]/[% c("filename") %]"') } },
        { conf },
      );
      await interruptFirstLeg(w, 'old');
      const { status, output } = await w.run('old').ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('old'), 'old\n');
    });

    it('keeps the other container options of rbm.local.conf', async () => {
      const localConf = `container:\n  user: root\n${loadShim()}`;
      const w = make({ who: { build: 'id -un > "[% dest_dir %]/[% c("filename") %]"' } }, { localConf });
      const { status, output } = await w.run('who').ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('who'), 'root\n');
    });

    it('leaves nothing in a tree that a project archives as a whole', async () => {
      const archive = {
        pre: '#!/bin/sh\necho made > /etc/made; mkdir -p /opt/made',
        build: 'true',
        config: [
          'remote_get: |',
          '  #!/bin/sh',
          '  set -e',
          '  mkdir -p [% c("get_dst") %]',
          `  [% c("rbmdir") %]/container archive '[% c("container/dir") %]' [% c("get_dst") %]/[% c("filename") %]`,
        ].join('\n'),
      };
      const listing = (w: TrapWorkspace): string => {
        const script = `d=$(mktemp -d); tar -C "$d" --numeric-owner -xf "$1" && cd "$d" &&
          find . -printf '%y %m %s %l %p\\n' | sed 's#tmp\\.[A-Za-z0-9]*#tmp.X#g' | sort; cat rbm/cmd rbm/run | sed 's#tmp\\.[A-Za-z0-9]*#tmp.X#g'`;
        return spawnSync('bash', ['-c', script, 'bash', join(w.dir, 'out/image/image.txt')], {
          encoding: 'utf8',
        }).stdout;
      };
      const w = make({ image: archive });
      assert.equal((await w.run('image').ended).status, 0);
      const withShim = listing(w);
      await w.remove();
      const without = make({ image: archive }, { localConf: '---\nvar:\n  x: 1\n' });
      assert.equal((await without.build('image').ended).status, 0);
      assert.match(withShim, /etc\/made/);
      assert.equal(withShim, listing(without));
    });

    it('changes nothing for a project with var/resume off', async () => {
      const w = make({ plain: { build: WRITE, resume: 'off' } });
      const { status, output } = await w.build('plain').ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('plain'), 'out\n');
      assert.ok(!existsSync(w.store), 'a store was made');
    });

    it('goes the clean way when the hook’s own program is broken', async () => {
      const w = make({ clean: { build: WRITE } });
      const bin = join(w.dir, 'bin');
      mkdirSync(bin);
      writeFileSync(join(bin, 'node'), '#!/bin/sh\nexit 127\n');
      chmodSync(join(bin, 'node'), 0o755);
      const { status, output } = await w.build('clean', { PATH: `${bin}:${process.env.PATH}` }).ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('clean'), 'out\n');
      assert.match(output, /container-create ended with status 127; clean starts clean/);
      assert.deepEqual(w.containers(), []);
    });
  });
}
