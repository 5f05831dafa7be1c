import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execInIdMap } from '../../lib/id-map.js';
import { writeListing } from '../../lib/rootfs/baseline.js';
import { extractImage, runInContainer } from './container.js';
import { compareListings, writePaths } from './delta.js';
import { saveBaseWithBorg } from './peers/borg.js';
import { saveBaseWithCasync } from './peers/casync.js';
import { saveBaseWithRestic } from './peers/restic.js';
import { makeBaseLayout } from './peers/umoci.js';
import { once, type Workspace } from './workspace.js';

/** The programs that are measured, and the Debian packages that bring them. */
const PACKAGES = {
  restic: 'restic',
  borg: 'borgbackup',
  casync: 'casync',
  umoci: 'umoci',
  buildah: 'buildah',
  rsync: 'rsync',
  zstd: 'zstd',
  mmdebstrap: 'mmdebstrap',
  '/usr/bin/time': 'time',
} as const;

/** Brings everything to where the measurements begin. What an earlier run has completed is not done again. */
export async function prepare(work: Workspace, image: string | undefined): Promise<void> {
  await installPeers(work);
  await once(work, 'image', () => provideImage(work, image));
  await once(work, 'source', () => downloadSource(work));
  await once(work, 'base', () => makeBase(work));
  await once(work, 'build', () => buildHalf(work));
  await once(work, 'delta', () => keepDelta(work));
}

async function installPeers({ session }: Workspace): Promise<void> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(PACKAGES)) {
    const { stdout } = await session.script('command -v "$1" || true', [program]);
    if (stdout === '') missing.push(name);
  }
  if (missing.length === 0) return;
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await session.run(['apt-get', 'update'], { env });
  await session.run(['apt-get', 'install', '--yes', '--no-install-recommends', ...missing], { env });
}

/** Besides what fixtures/make-image has, what the containers of real projects have for their `configure` scripts. */
const IMAGE_PACKAGES = 'ca-certificates,iproute2,zstd,autoconf,automake,libtool,pkg-config,cmake,python3';

async function provideImage(work: Workspace, image: string | undefined): Promise<void> {
  const { session, imageTar } = work;
  if (image === undefined) {
    const packages = ['--variant=buildd', `--include=${IMAGE_PACKAGES}`];
    await session.run(['mmdebstrap', '--mode=root', ...packages, 'bookworm', imageTar]);
    await session.run(['zstd', '-q', '-f', imageTar, '-o', work.image]);
  } else {
    await copyFile(image, work.image);
    await session.run(['zstd', '-q', '-d', '-f', work.image, '-o', imageTar]);
  }
}

/** Fetches Debian's source of openssl with a list of sources of our own: the system's stays as it is. */
async function downloadSource(work: Workspace): Promise<void> {
  const apt = join(work.dir, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    await mkdir(join(apt, folder), { recursive: true });
  await mkdir(join(work.dir, 'source'), { recursive: true });
  const line = 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
  await writeFile(join(apt, 'sources.list'), `${line} http://deb.debian.org/debian bookworm main\n`);
  const options = Object.entries({
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::Cache': join(apt, 'cache'),
    'APT::Sandbox::User': 'root',
  }).map(([name, value]) => `-o${name}=${value}`);
  await work.session.run(['apt-get', ...options, 'update']);
  const cwd = join(work.dir, 'source');
  await work.session.run(['apt-get', ...options, 'source', '--download-only', 'openssl'], { cwd });
}

async function makeBase(work: Workspace): Promise<void> {
  await execInIdMap(['rm', '-rf', '--', work.store]);
  await rm(work.repositories, { recursive: true, force: true });
  await mkdir(work.repositories, { recursive: true });
  await extractImage(work.image, work.tree);
  await writeListing(work.tree, work.baseline);
  await saveBaseWithRestic(work);
  await saveBaseWithBorg(work);
  await saveBaseWithCasync(work);
  await makeBaseLayout(work);
}

/** Builds openssl's libraries, which is about half of it, as the build user of the tree, and leaves everything there. */
async function buildHalf(work: Workspace): Promise<void> {
  await runInContainer(work.tree, 'id rbm 2> /dev/null || useradd --create-home rbm; mkdir -p /home/rbm/src');
  const from = join(work.dir, 'source');
  await work.session.script('cp "$1"/openssl_* "$2"', [from, join(work.tree, 'home/rbm/src')]);
  await runInContainer(
    work.tree,
    `chown -R rbm: /home/rbm/src
    su - rbm -c 'set -e; rm -rf openssl; dpkg-source --no-check --no-copy -x src/*.dsc openssl; cd openssl
      ./config; make -j2 build_libs' >&2`,
  );
}

async function keepDelta(work: Workspace): Promise<void> {
  const [now, list] = [join(work.scratch, 'now'), join(work.scratch, 'changed')];
  await writeListing(work.tree, now);
  const { changed, removed } = await compareListings(work.baseline, now);
  await writePaths(list, changed);
  await writePaths(work.delta.removed, removed);
  const script = `set -euo pipefail
    tar -C "$1" --format=posix --xattrs --xattrs-include='*' --acls --numeric-owner --sparse --no-recursion \\
      --null --verbatim-files-from --no-unquote -T "$2" -cf - | zstd -q -3 -T0 -f -o "$3.new"`;
  await execInIdMap(['bash', '-c', script, 'bash', work.tree, list, work.delta.archive]);
  await rename(`${work.delta.archive}.new`, work.delta.archive);
}
