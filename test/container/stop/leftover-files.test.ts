import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { link, mkdir, mkdtemp, readdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { removeLeftovers } from '../../../lib/container/stop/leftover-files.js';
import type { OpenFile } from '../../../lib/container/stop/open-files.js';
import { execInIdMap } from '../../../lib/id-map.js';

async function roots(t: TestContext): Promise<{ rootDir: string; outside: string }> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'leftovers-')));
  t.after(() => rm(base, { recursive: true, force: true }));
  const [rootDir, outside] = [join(base, 'root'), join(base, 'root-outside')];
  for (const dir of [rootDir, outside]) await mkdir(dir);
  return { rootDir, outside };
}

/** What a process would have had open at this path. */
function openAt(path: string | Buffer): OpenFile {
  const { dev, ino, nlink } = statSync(path);
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  return {
    fd: 1,
    canRead: false,
    canWrite: true,
    kind: 'file',
    id: `${dev}:${ino}`,
    links: nlink,
    path: bytes,
  };
}

async function openFile(path: string | Buffer): Promise<OpenFile> {
  await writeFile(path, 'part');
  return openAt(path);
}

describe('removing half-written files', () => {
  it('removes files with any name, and tells their paths inside the container', async (t) => {
    const { rootDir } = await roots(t);
    const names = ['plain', 'a\nb', '-rf', 'x (deleted)', '*', ' '];
    const raw = Buffer.concat([Buffer.from(`${rootDir}/raw-`), Buffer.from([0xff])]);
    await writeFile(join(rootDir, 'other'), 'whole');
    const files = await Promise.all([...names.map((name) => join(rootDir, name)), raw].map(openFile));
    const removed = await removeLeftovers([...files, ...files], { rootDir });
    assert.deepEqual(removed, [...names.map((name) => `/${name}`), '/raw-\ufffd'].sort());
    assert.deepEqual(await readdir(rootDir), ['other']);
  });

  it("removes what belongs to the container's other users", async (t) => {
    const { rootDir } = await roots(t);
    const dir = join(rootDir, 'home');
    await mkdir(dir);
    const file = await openFile(join(dir, 'half'));
    await execInIdMap(['sh', '-c', 'chown -R 1000:1000 "$1" && chmod 700 "$1"', 'sh', dir]);
    t.after(() => execInIdMap(['rm', '-rf', '--', dir]));
    assert.deepEqual(await removeLeftovers([file], { rootDir }), ['/home/half']);
  });

  it('leaves a file alone that has taken the place of the one that was written', async (t) => {
    const { rootDir } = await roots(t);
    const file = await openFile(join(rootDir, 'half'));
    await writeFile(join(rootDir, 'new'), 'whole');
    await rename(join(rootDir, 'new'), join(rootDir, 'half'));
    assert.deepEqual(await removeLeftovers([file], { rootDir }), []);
    assert.deepEqual(await readdir(rootDir), ['half']);
  });

  it('does not follow a symbolic link out of the container', async (t) => {
    const { rootDir, outside } = await roots(t);
    const precious = join(outside, 'precious');
    const { id } = await openFile(precious);
    await symlink(outside, join(rootDir, 'dir'));
    await symlink(precious, join(rootDir, 'link'));
    const paths = [
      `${rootDir}/dir/precious`,
      `${rootDir}/link`,
      precious,
      `${rootDir}/../root-outside/precious`,
    ];
    const files = paths.map((path) => ({ ...openAt(path), id, path: Buffer.from(path) }));
    assert.deepEqual(await removeLeftovers(files, { rootDir }), []);
    assert.deepEqual(await readdir(outside), ['precious']);
  });

  it('does not follow a symbolic link inside the container either', async (t) => {
    const { rootDir } = await roots(t);
    const file = await openFile(join(rootDir, 'whole'));
    await symlink('whole', join(rootDir, 'link'));
    const viaLink = { ...file, path: Buffer.from(join(rootDir, 'link')) };
    assert.deepEqual(await removeLeftovers([viaLink], { rootDir }), []);
    assert.deepEqual((await readdir(rootDir)).sort(), ['link', 'whole']);
  });

  it('takes no notice of what is gone, and leaves other names of the file', async (t) => {
    const { rootDir } = await roots(t);
    const [gone, half] = [await openFile(join(rootDir, 'gone')), await openFile(join(rootDir, 'half'))];
    await rm(join(rootDir, 'gone'));
    await link(join(rootDir, 'half'), join(rootDir, 'kept'));
    assert.deepEqual(await removeLeftovers([gone, half], { rootDir }), ['/half']);
    assert.deepEqual(await readdir(rootDir), ['kept']);
  });

  it('removes nothing when there is nothing to remove', async (t) => {
    const { rootDir } = await roots(t);
    assert.deepEqual(await removeLeftovers([], { rootDir }), []);
  });
});
