/* eslint @typescript-eslint/no-unsafe-assignment: off, @typescript-eslint/no-unsafe-member-access: off, @typescript-eslint/no-unsafe-return: off, @typescript-eslint/no-unsafe-call: off, @typescript-eslint/no-explicit-any: off -- whoever poisons a cache keeps to no types */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { BLOBS, type BlobKind, type Json, type PoisonedStore } from './poisoned-store.js';

/** One way in which a cache can be poisoned. */
export interface Poison {
  readonly name: string;
  readonly apply: (store: PoisonedStore) => void;
  /**
   * What becomes of the snapshot: it is taken out of use; it can't be told from damage of the index, so nothing is found; or it
   * may be used, as what is wrong is not needed.
   */
  readonly then: 'out of use' | 'clean' | 'anything';
  readonly isShort?: true;
}

const zstdCompress = (input: Buffer): Buffer => execFileSync('zstd', ['-cq'], { input });

function flip(file: string): void {
  const data = readFileSync(file);
  const at = data.length >> 1;
  data[at] = (data[at] ?? 0) ^ 255;
  writeFileSync(file, data);
}

/** What is missing can be had elsewhere: the base from the workspace, a listing from its layer. */
const REPLACEABLE: readonly BlobKind[] = ['base', 'base listing', 'delta listing'];

const damages: Poison[] = BLOBS.flatMap((kind): Poison[] => [
  {
    name: `the ${kind} is truncated`,
    apply: (store) => truncateSync(store.blobFile(kind), statSync(store.blobFile(kind)).size >> 1),
    then: REPLACEABLE.includes(kind) ? 'anything' : kind === 'manifest' ? 'anything' : 'out of use',
  },
  {
    name: `the ${kind} has a flipped byte`,
    apply: (store) => flip(store.blobFile(kind)),
    then: kind === 'manifest' ? 'anything' : 'out of use',
    ...(kind === 'delta' ? { isShort: true as const } : {}),
  },
  {
    name: `the ${kind} is missing`,
    apply: (store) => rmSync(store.blobFile(kind)),
    then: REPLACEABLE.includes(kind) || kind === 'manifest' ? 'anything' : 'out of use',
  },
]);

const record = (name: string, edit: (record: Json, text: string) => string | undefined): Poison => ({
  name: `the record ${name}`,
  apply: (store) => store.editRecord(edit),
  then: 'out of use',
});

/** `PWNED` is a path of the host that must not be there afterwards. */
export const poisonsWith = (pwned: string): Poison[] => [
  ...damages,
  {
    ...record('has a temporary folder that is a command', (value) => {
      value.tmpFolders = value.tmpFolders.map((folder: string) => `${folder}; touch ${pwned}`);
      return undefined;
    }),
    isShort: true,
  },
  record('has a temporary folder that is a substitution', (value) => {
    value.tmpFolders[1] = `/var/tmp/$(touch ${pwned})`;
    return undefined;
  }),
  record('has a temporary folder that is a template', (value) => {
    value.tmpFolders[1] = `/var/tmp/[% exec('touch ${pwned}') %]`;
    return undefined;
  }),
  record('has a temporary folder with a line break', (value) => {
    value.tmpFolders[0] = `/var/tmp/a\ntouch ${pwned}`;
    return undefined;
  }),
  record('has a temporary folder that climbs out', (value) => {
    value.tmpFolders[1] = '/var/tmp/../../../../etc';
    return undefined;
  }),
  record('says that every script has ended', (value) => {
    value.endedScripts = ['build'];
    return undefined;
  }),
  record('says that the output was copied', (value) => {
    value.endedScripts = ['build 0\nget'];
    return undefined;
  }),
  record('expects other scripts', (value) => {
    value.expectedScripts = [];
    return undefined;
  }),
  record('is of another project', (value) => {
    value.project = 'other';
    return undefined;
  }),
  record('is of another project hash', (value) => {
    value.hash = 'f'.repeat(64);
    return undefined;
  }),
  record('is of another target', (value) => {
    value.targets = ['other'];
    return undefined;
  }),
  record('has a leg without an end', (_, text) => text.replace(/"seconds":[\d.]+/, '"seconds":1e999')),
  record('has very many legs', (value) => {
    value.legs = Array.from({ length: 5000 }, () => value.legs[0] as Json);
    return undefined;
  }),
  record('says that the script stood at a statement', (value) => {
    Object.assign(value.legs[0], { place: 'in statement 2 of 2', division: 1 });
    return undefined;
  }),
  record('is no JSON', () => '{'),
  record('is nested deeply', () => `${'['.repeat(200_000)}${']'.repeat(200_000)}`),
  {
    name: 'the config is no object',
    apply: (store) => store.replaceConfig('[]'),
    then: 'out of use',
  },
  {
    name: 'the config is nested deeply',
    apply: (store) => store.replaceConfig('{"config":'.repeat(100_000)),
    then: 'out of use',
  },
  {
    name: 'the config has many megabytes',
    apply: (store) => store.replaceConfig(`{"a":"${'a'.repeat(8 << 20)}"}`),
    then: 'out of use',
  },
  {
    name: 'the manifest has many megabytes',
    apply: (store) => store.replaceManifest(`{"a":"${'a'.repeat(8 << 20)}"}`),
    then: 'anything',
  },
  {
    name: 'the manifest is its own config',
    apply: (store) =>
      store.editManifest((manifest) => Object.assign(manifest, { config: manifest.layers[0] as Json })),
    then: 'anything',
  },
  {
    name: 'a layer is larger than there are numbers',
    apply: (store) =>
      store.editManifest((manifest) => Object.assign(manifest.layers[1], { size: Number.MAX_SAFE_INTEGER })),
    then: 'anything',
  },
  {
    name: 'a layer is missing in the manifest',
    apply: (store) => store.editManifest((manifest) => manifest.layers.pop()),
    then: 'anything',
  },
  {
    name: 'a diffId is another one',
    apply: (store) => store.editConfig((config) => (config.rootfs.diff_ids[1] = `sha256:${'0'.repeat(64)}`)),
    then: 'anything',
  },
  {
    name: 'the delta is noise',
    apply: (store) => store.replaceDelta(randomBytes(20_000)),
    then: 'anything',
    isShort: true,
  },
  {
    name: 'the delta is compressed noise',
    apply: (store) => store.replaceDelta(zstdCompress(randomBytes(20_480))),
    then: 'anything',
  },
  {
    name: 'the delta is empty',
    apply: (store) => store.replaceDelta(zstdCompress(Buffer.alloc(10_240))),
    then: 'out of use',
  },
  {
    name: 'the listing is that of another layer',
    apply: (store) => store.replaceListing(readFileSync(store.blobFile('base listing'))),
    then: 'out of use',
  },
  {
    name: 'the listing is compressed noise',
    apply: (store) => store.replaceListing(zstdCompress(randomBytes(5000))),
    then: 'out of use',
  },
  ...(
    [
      ['is cut off', (text: string) => text.slice(0, text.length >> 1)],
      ['is empty', () => ''],
      ['is nested deeply', () => '{"manifests":['.repeat(100_000)],
      ['is a list', () => '[]'],
      ['has many megabytes of nothing', () => '\0'.repeat(8 << 20)],
    ] as const
  ).map(([what, change]): Poison => ({
    name: `the index ${what}`,
    apply: (store) => store.writeIndex(change(readFileSync(store.indexFile, 'utf8'))),
    then: 'clean',
    ...(what === 'is cut off' ? { isShort: true as const } : {}),
  })),
  {
    name: 'the index has a generation without an end',
    apply: (store) =>
      store.editIndex(
        (index) => (index.manifests[0].annotations['org.rbm-resume.generation'] = '9'.repeat(300)),
      ),
    then: 'anything',
  },
];
