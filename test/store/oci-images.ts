import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commit } from '../../lib/store/commit.js';
import { MEDIA_TYPE, REF_NAME, type Descriptor } from '../../lib/store/oci.js';
import type { StorePaths } from '../../lib/store/paths.js';
import { withStaging, type StagedBlob, type Staging } from '../../lib/store/staging.js';

/** A small image that other tools accept, in a staging folder; `bytes` is the size of the one file in its layer. */
export async function stageImage(
  staging: Staging,
  options: { readonly bytes?: number; readonly annotations?: Record<string, string> } = {},
): Promise<{ readonly blobs: StagedBlob[]; readonly manifest: Descriptor }> {
  const folder = join(staging.dir, randomBytes(6).toString('hex'));
  mkdirSync(folder);
  writeFileSync(join(folder, 'content'), randomBytes(options.bytes ?? 100));
  const layerFile = `${folder}.tar`;
  execFileSync('tar', ['-C', folder, '-cf', layerFile, 'content'], { stdio: 'pipe' });
  const layer = await staging.prepare(layerFile);
  const config = await staging.put(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  );
  const describe = ({ digest, size }: StagedBlob, mediaType: string) => ({ mediaType, digest, size });
  const manifest = await staging.put(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.manifest,
      config: describe(config, MEDIA_TYPE.config),
      layers: [describe(layer, MEDIA_TYPE.layerTar)],
      ...(options.annotations && { annotations: options.annotations }),
    }),
  );
  return { blobs: [layer, config, manifest], manifest: describe(manifest, MEDIA_TYPE.manifest) };
}

/** Commits a new image under a name; returns its manifest and, in that order, its layer, config and manifest. */
export const saveImage = (
  paths: StorePaths,
  name: string,
  options: { readonly bytes?: number; readonly annotations?: Record<string, string> } = {},
): Promise<{ readonly entry: Descriptor; readonly blobs: readonly StagedBlob[] }> =>
  withStaging(paths, async (staging) => {
    const { blobs, manifest } = await stageImage(staging, options);
    const entry = { ...manifest, annotations: { [REF_NAME]: name } };
    await commit(paths, { blobs, updateIndex: (manifests) => [...manifests, entry] });
    return { entry, blobs };
  });

/** The names of the images in a store, as they stand in the file. */
export function namesInIndex(root: string): string[] {
  const file = join(root, 'index.json');
  if (!existsSync(file)) return [];
  const index = JSON.parse(readFileSync(file, 'utf8')) as { manifests: Descriptor[] };
  return index.manifests.map(({ annotations }) => String(annotations?.[REF_NAME]));
}

/**
 * Follows every entry of index.json to its blobs and holds them against what sha256sum and stat say: our own reader takes
 * no part. Returns the blobs that no entry leads to.
 */
export function checkReferences(root: string): string[] {
  const dir = join(root, 'blobs', 'sha256');
  if (!existsSync(dir)) return [];
  const names = readdirSync(dir);
  const sums = names.length === 0 ? '' : execFileSync('sha256sum', ['--', ...names], { cwd: dir }).toString();
  const sumOf = new Map(
    sums
      .trim()
      .split('\n')
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
  const used = new Set<string>();
  const check = ({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): string => {
    const name = digest.slice(7);
    assert.equal(sumOf.get(name), name, `${digest} is missing or damaged`);
    assert.equal(statSync(join(dir, name)).size, size);
    used.add(name);
    return join(dir, name);
  };
  const index = JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  for (const entry of index.manifests) {
    const manifest = JSON.parse(readFileSync(check(entry), 'utf8')) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    [manifest.config, ...manifest.layers].forEach(check);
  }
  return names.filter((name) => !used.has(name));
}

/** What skopeo prints, or a failed assertion with what it said. */
export function skopeo(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('skopeo', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Every file below a folder with its size, sorted. */
export const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${file.slice(dir.length + 1)} ${statSync(file).size}`)
    .sort();
