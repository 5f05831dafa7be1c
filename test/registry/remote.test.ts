import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parseProjectHash, sha256Hex, digestOf } from '../../lib/digest.js';
import { isDamage, isUnknown, lastMessage } from '../../lib/registry/failures.js';
import {
  companionTagOf,
  parseCompanionTag,
  parseRemote,
  parseTag,
  tagOf,
  tagsFor,
} from '../../lib/registry/remote.js';
import { openRegistry } from '../../lib/registry/skopeo.js';
import type { JobClass } from '../../lib/trust/job-class.js';
import { NO_POLICY, type Trust } from '../../lib/trust/judge.js';
import type { Policy } from '../../lib/trust/policy.js';
import { makePolicy, makeSigner } from '../trust/signers.js';

const hash = parseProjectHash(sha256Hex('remote'));

describe('the name of a remote', () => {
  it('is a repository of a registry', () => {
    const { repository } = parseRemote('oci://ghcr.io/namecoin/rbm-resume');
    assert.equal(repository, 'ghcr.io/namecoin/rbm-resume');
    for (const good of ['oci://localhost/a', 'oci://127.0.0.1:5000/a/b.c__d', 'oci://[::1]:5000/a'])
      assert.equal(`oci://${parseRemote(good).repository}`, good);
  });

  it('is refused with a tag, a digest, credentials, an option, or a host that skopeo takes for a folder', () => {
    const bad = [
      'ghcr.io/a/b',
      'docker://ghcr.io/a',
      'oci://ghcr.io',
      'oci://ghcr.io/A',
      'oci://ghcr.io/a:tag',
    ];
    bad.push(
      `oci://ghcr.io/a@${digestOf('')}`,
      'oci://me:secret@ghcr.io/a',
      'oci://host/a',
      'oci://-x.y/../a',
    );
    bad.push('', 'oci://ghcr.io/a\n', `oci://ghcr.io/${'a'.repeat(300)}`);
    for (const url of bad) assert.throws(() => parseRemote(url), { code: 'USAGE' }, url);
    for (const url of [
      'oci://me:secret@ghcr.io/a',
      'oci://me:pass/secret@ghcr.io/a',
      'oci://me:a@secret@ghcr.io/a',
    ])
      assert.throws(
        () => parseRemote(url),
        (error: Error) => !/secret/.test(error.message),
      );
  });
});

describe('the tags of a repository', () => {
  it('are those that can be asked for, whatever else it names', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-tags-'));
    const { PATH: path } = process.env;
    try {
      const tags = [
        'good-1.0',
        `x@${digestOf('')}`,
        '-option',
        'two words',
        'a\nb',
        '',
        7,
        '../up',
        'y'.repeat(129),
      ];
      writeFileSync(join(dir, 'skopeo'), `#!/bin/sh\nprintf %s '${JSON.stringify({ Tags: tags })}'\n`, {
        mode: 0o755,
      });
      process.env.PATH = `${dir}:${path}`;
      assert.deepEqual(await openRegistry(parseRemote('oci://ghcr.io/a/b')).listTags(), ['good-1.0']);
    } finally {
      process.env.PATH = path;
      rmSync(dir, { recursive: true });
    }
  });
});

describe('a tag', () => {
  it('names hash and class, in at most 128 characters', () => {
    const classes: (JobClass | null)[] = [null, 'pr/9999999999', 'branch', 'protected', 'release'];
    for (const jobClass of classes) {
      const tag = tagOf(hash, jobClass);
      assert.match(tag, /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/);
      assert.deepEqual(parseTag(tag), { hash, jobClass });
    }
    assert.deepEqual(tagOf(hash, 'pr/12'), `pr-12-${hash}`);
    for (const other of ['latest', hash, `-${hash}`, `pr-0-${hash}`, `nightly-${hash}`, `branch-${hash}x`])
      assert.equal(parseTag(other), null, other);
    assert.equal(parseCompanionTag(companionTagOf(digestOf('x'))), digestOf('x'));
    assert.equal(parseCompanionTag(`sha256-${hash}.sig`), null);
  });
});

describe('a job looks under the tags', () => {
  let policy: Policy;
  before(async () => {
    const keys = [
      { name: 'ci', public_key: makeSigner('ci').publicPem, classes: ['branch', 'protected', 'pr'] },
    ];
    policy = await makePolicy({
      keys,
      accept: { pr: ['pr', 'branch'], branch: ['branch', 'pr'], protected: ['branch', 'protected'] },
    });
  });
  const classesOf = (trust: Trust) => tagsFor(hash, trust).map((tag) => tag.replace(`-${hash}`, ''));

  it('of its own class, then of those that its policy accepts; a release under none', () => {
    const of = (jobClass: JobClass | null) => classesOf({ policy, jobClass, trouble: null });
    assert.deepEqual(of('pr/3'), ['pr-3', 'branch']);
    assert.deepEqual(of('branch'), ['branch']);
    assert.deepEqual(of('protected'), ['protected', 'branch']);
    assert.deepEqual(of('release'), []);
    assert.deepEqual(classesOf(NO_POLICY), ['local']);
    assert.deepEqual(classesOf({ ...NO_POLICY, jobClass: 'branch' }), ['branch']);
  });
});

describe('what skopeo says', () => {
  it('is the text of its last message, without what a URL has besides its path', () => {
    const line = (msg: string) => `time="2026-01-01T00:00:00Z" level=fatal msg=${JSON.stringify(msg)}\n`;
    assert.equal(
      lastMessage(`${line('first')}${line('Get "https://x/y?sig=secret": EOF')}`),
      'Get "https://x/y?…": EOF',
    );
    assert.equal(lastMessage('FATA[0000] plain\n'), 'FATA[0000] plain');
    assert.equal(lastMessage(line('two\nlines')), 'two\\012lines');
    assert.equal(lastMessage(''), '');
  });

  it('tells what is not there from what is damaged and from what failed', () => {
    const [gone, damage] = [
      [
        'reading manifest x in h/r: manifest unknown: manifest unknown',
        'reading manifest x in h/r: name unknown: y',
      ],
      [
        'writing blob: Digest did not match, expected sha256:a, got sha256:b',
        'fetching blob: status code 404',
      ],
    ];
    const failed = ['exec: "docker-credential-x": executable file not found in $PATH', 'connection refused'];
    failed.push('reading manifest x in h/r: denied: requested access to the resource is denied');
    assert.deepEqual([...gone, ...damage, ...failed].map(isUnknown), [
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
    assert.deepEqual([...gone, ...damage, ...failed].map(isDamage), [
      false,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
