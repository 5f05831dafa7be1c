import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SYSTEM_PATH } from '../../lib/exec.js';
import { judgePerl, readPerlFacts } from '../../lib/setup/doctor/perl.js';
import {
  findInPath,
  judgePrograms,
  readProgramFacts,
  type ProgramFacts,
} from '../../lib/setup/doctor/programs.js';
import { told } from './findings.js';
import { root } from './init-workspace.js';

describe('doctor and programs', () => {
  /** A directory with links to all system programs but some, of which a text stands in for a few. */
  async function pathWith(change: Readonly<Record<string, string | null>>): Promise<string> {
    const dir = mkdtempSync(join(root, 'bin-'));
    const names = 'tar find zstd flock nsenter unshare mount chroot bash cmp perl node'.split(' ');
    for (const name of names.filter((each) => !(each in change))) {
      symlinkSync((await findInPath(name, `${SYSTEM_PATH}:${process.env.PATH}`)) ?? name, join(dir, name));
    }
    for (const [name, script] of Object.entries(change)) {
      if (script !== null) writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return dir;
  }

  it('finds all of them here', async () => {
    const findings = judgePrograms(await readProgramFacts({ userPath: process.env.PATH ?? '' }));
    assert.deepEqual(
      findings.filter(({ status }) => status !== 'ok'),
      [],
    );
    assert.match(told(findings, 'program/tar'), /GNU tar/);
  });

  it('misses one, and names its package', async () => {
    const dir = await pathWith({ zstd: null, flock: null });
    const findings = judgePrograms(await readProgramFacts({ systemPath: dir, userPath: dir }));
    assert.deepEqual(
      findings.filter(({ status }) => status !== 'ok').map(({ check, cure }) => `${check} ${cure}`),
      ['program/zstd apt-get install zstd', 'program/flock apt-get install util-linux'],
    );
  });

  it('refuses a tar and a find of another kind', async () => {
    const dir = await pathWith({ tar: 'echo bsdtar 3.6.2', find: 'echo unknown option >&2; exit 1' });
    const findings = judgePrograms(await readProgramFacts({ systemPath: dir, userPath: dir }));
    assert.match(told(findings, 'program/tar'), /^problem: .*not GNU tar.*bsdtar/);
    assert.match(told(findings, 'program/find'), /^problem: .*not GNU findutils/);
  });

  it('wants a new node, also in the PATH that the hooks get', async () => {
    const judge = async (userPath: string, more: Partial<ProgramFacts> = {}) =>
      told(judgePrograms({ ...(await readProgramFacts({ userPath })), ...more }), 'node');
    assert.match(await judge(await pathWith({})), /^ok: /);
    assert.match(await judge(await pathWith({ node: null })), /^problem: there is no node in PATH/);
    assert.match(await judge(await pathWith({ node: 'echo v20.18.9' })), /^problem: .*20\.18\.9/);
    assert.match(await judge(await pathWith({ node: 'echo v20.19.0' })), /^ok: /);
    assert.match(await judge(await pathWith({ node: 'echo v22.1.0' })), /^ok: /);
    assert.match(await judge(await pathWith({}), { node: '18.20.0' }), /^problem: this is Node\.js 18/);
  });
});

describe('doctor and skopeo', () => {
  const judge = async (script: string | null) => {
    const dir = mkdtempSync(join(root, 'skopeo-'));
    if (script !== null) writeFileSync(join(dir, 'skopeo'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return told(judgePrograms(await readProgramFacts({ userPath: dir })), 'program/skopeo');
  };

  it('names it with its version, and does without it', async () => {
    assert.match(await judge('echo skopeo version 1.9.3'), /^ok: .*skopeo: 1\.9\.3 /);
    assert.match(await judge(null), /^ok: missing: only push, pull and --remote need it /);
  });

  it('warns of one that lacks an option', async () => {
    assert.match(await judge('echo skopeo version 1.4.1'), /^warning: .* is skopeo 1\.4\.1; .* need 1\.6 /);
    assert.match(await judge('echo skopeo version 1.6.0 commit: x'), /^ok: /);
    assert.match(await judge('exit 1'), /^warning: .* of an unknown version/);
  });
});

describe('doctor and perl', () => {
  it('loads all modules here, and the shim', async () => {
    const facts = await readPerlFacts({ rbmDir: null, env: {} });
    assert.match(told(judgePerl(facts), 'perl-modules'), /^ok: .*, and the shim/);
  });

  it('names the packages of modules that can not be loaded', async () => {
    const lib = mkdtempSync(join(root, 'perl-'));
    mkdirSync(join(lib, 'Data'));
    mkdirSync(join(lib, 'Sort'));
    writeFileSync(join(lib, 'Sort', 'Versions.pm'), 'die "gone\\n";');
    writeFileSync(join(lib, 'Data', 'UUID.pm'), 'die "gone\\n";');
    const findings = judgePerl(await readPerlFacts({ rbmDir: null, env: { PERL5LIB: lib } }));
    assert.equal(
      told(findings, 'perl-modules'),
      "problem: perl can't load Data::UUID, Sort::Versions => apt-get install libdata-uuid-perl libsort-versions-perl",
    );
  });

  it('asks for what only an older rbm loads when that is the rbm at hand', async () => {
    const rbmDir = mkdtempSync(join(root, 'rbm-'));
    writeFileSync(join(rbmDir, 'rbm'), 'use strict;\nuse IO::CaptureOutput qw(capture_exec);\n');
    const { tried } = await readPerlFacts({ rbmDir, env: {} });
    assert.ok(tried.includes('IO::CaptureOutput') && !tried.includes('IO::All'));
    const failed = { 'IO::CaptureOutput': "Can't locate IO/CaptureOutput.pm" };
    assert.match(
      told(judgePerl({ tried, failed, error: null }), 'perl-modules'),
      /libio-captureoutput-perl$/,
    );
  });

  it('tells that perl itself does not run, or the shim does not load', async () => {
    const facts = await readPerlFacts({ rbmDir: null, env: {}, perl: join(root, 'no-perl') });
    assert.match(told(judgePerl(facts), 'perl-modules'), /^problem: .*no-perl.* => apt-get install perl$/);
    const failed = { 'RBM::Resume': 'syntax error' };
    assert.match(
      told(judgePerl({ tried: [], failed, error: null }), 'perl-modules'),
      /^problem: .*shim: syntax error/,
    );
  });
});
