import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseBuildDescription, projectHash, type BuildDescription } from '../lib/project-hash.js';
import { RbmResumeError } from '../lib/errors.js';
import { irrelevant, mutations, type Change } from './rbm/changes.js';
import { describeBuild, makeWorkspace, rbmsUnderTest } from './rbm/workspace.js';

for (const rbm of rbmsUnderTest()) {
  describe(`the project hash, as ${rbm.name} describes a build`, () => {
    let pristine: string;
    let original: string;
    const hashOf = (workspace: string, change: Change = { title: '' }): string => {
      const json = describeBuild(rbm, workspace, {
        project: change.project ?? 'tally',
        targets: change.targets ?? ['tiny'],
        ...(change.env === undefined ? {} : { env: change.env }),
      });
      return projectHash(parseBuildDescription(json));
    };
    const changed = (change: Change): string => {
      const dir = makeWorkspace();
      try {
        change.edit?.(dir);
        return hashOf(dir, change);
      } finally {
        rmSync(dirname(dir), { recursive: true });
      }
    };

    before(() => {
      pristine = makeWorkspace();
      original = hashOf(pristine);
    });
    after(() => rmSync(dirname(pristine), { recursive: true }));

    it('is 64 hex digits, and the same when asked twice', () => {
      assert.match(original, /^[0-9a-f]{64}$/);
      assert.equal(hashOf(pristine), original);
    });

    it('is the same in another checkout, with other folders of the same names around it', () => {
      const deeper = join(dirname(pristine), 'a/much/deeper/checkout');
      cpSync(pristine, deeper, { recursive: true });
      assert.equal(hashOf(deeper), original);
    });

    for (const change of mutations) {
      it(`changes with ${change.title}`, () => assert.notEqual(changed(change), original));
    }

    it('differs between the mutations too', () => {
      const [a, b] = [mutations[0], mutations[1]].map((change) => changed(change as Change));
      assert.notEqual(a, b);
    });

    /** The hashes before and after a change of a workspace that was set up for it. */
    const hashesAround = (setUp: (dir: string) => void, change: (dir: string) => void): [string, string] => {
      const dir = makeWorkspace();
      try {
        setUp(dir);
        const before = hashOf(dir);
        change(dir);
        return [before, hashOf(dir)];
      } finally {
        rmSync(dirname(dir), { recursive: true });
      }
    };

    it('changes with the version of a dependency that the script does not name', () => {
      const [before, after] = hashesAround(
        (dir) => {
          writeFileSync(join(dir, 'projects/tally/build'), '#!/bin/sh\ncat libtally-*\n');
          const config = join(dir, 'projects/tally/config');
          writeFileSync(config, readFileSync(config, 'utf8').replace('-[% c("var/build_id") %]', ''));
        },
        (dir) => {
          const config = join(dir, 'projects/libtally/config');
          writeFileSync(config, readFileSync(config, 'utf8').replace("version: '1.0'", "version: '1.1'"));
        },
      );
      assert.notEqual(after, before);
    });

    for (const change of irrelevant) {
      it(`does not change with ${change.title}`, () => assert.equal(changed(change), original));
    }
  });
}

describe('projectHash', () => {
  const description: BuildDescription = {
    format: 1,
    project: 'p',
    step: 'build',
    targets: [],
    version: null,
    filename: 'f',
    architecture: 'x86_64',
    source: null,
    container_image: ['container-image_x.tar'],
    input_files: [],
    scripts: { build: 'true' },
    container: { user: 'rbm', offline: ['build'], templates: { remote_start: '' }, remote_mktemp: null },
  };

  it('does not depend on the order in which keys are given', () => {
    const reversed = Object.fromEntries(Object.entries(description).reverse()) as BuildDescription;
    assert.equal(projectHash(reversed), projectHash(description));
  });

  it('changes with every field', () => {
    const changes: Partial<BuildDescription>[] = [
      { project: 'q' },
      { step: 'other' },
      { targets: ['t'] },
      { version: '1' },
      { filename: null },
      { architecture: 'aarch64' },
      { source: 'git:1' },
      { container_image: [] },
      { input_files: ['a:1'] },
      { scripts: { build: 'true', post: 'true' } },
      { container: { ...description.container, user: null } },
      { container: { ...description.container, offline: [] } },
      { container: { ...description.container, templates: { remote_start: '1' } } },
      { container: { ...description.container, remote_mktemp: 'mktemp' } },
    ];
    const hashes = changes.map((change) => projectHash({ ...description, ...change }));
    assert.equal(new Set([projectHash(description), ...hashes]).size, changes.length + 1);
  });

  it('refuses a description of another shape, with the field that is wrong', () => {
    const wrong = [
      { ...description, format: 2 },
      { ...description, more: 1 },
      { ...description, scripts: 'x' },
      7,
    ];
    for (const value of wrong) {
      assert.throws(
        () => parseBuildDescription(JSON.stringify(value)),
        (error) => error instanceof RbmResumeError && error.code === 'BAD_DESCRIPTION',
      );
    }
    assert.throws(() => parseBuildDescription('{'), { code: 'BAD_DESCRIPTION' });
    assert.throws(
      () => parseBuildDescription('{"trouble":"no commit"}'),
      /no description of the build: no commit/,
    );
  });
});
