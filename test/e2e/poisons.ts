/* eslint @typescript-eslint/no-unsafe-assignment: off, @typescript-eslint/no-unsafe-member-access: off, @typescript-eslint/no-unsafe-return: off, @typescript-eslint/no-unsafe-call: off, @typescript-eslint/no-explicit-any: off -- whoever poisons a cache keeps to no types */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIVISION } from '../../lib/script/division.js';
import { BLOBS, type BlobKind, type Json, type PoisonedStore } from '../snapshot/poisoned-store.js';

/** One way in which a cache can be poisoned. */
export interface Poison {
  readonly name: string;
  readonly apply: (store: PoisonedStore) => void;
  /** What becomes of the snapshot: it may be used, as what is wrong is not needed; or the index has it no more. */
  readonly then: 'out of use' | 'not used' | 'goes on';
  /** What the log says of it. */
  readonly reason: RegExp;
  readonly isShort?: true;
}

const zstdCompress = (input: Buffer): Buffer => execFileSync('zstd', ['-cq'], { input });

/** A listing of so many files, each with such a name and a number. */
function listingOf(name: string, count: number): Buffer {
  const program = 'BEGIN { for (i = 0; i < n; i++) printf "f 644 0 0 0 0.000000000 -\\t%s%d|\\n|", name, i }';
  const script = 'awk -v name="$1" -v n="$2" "$3" | tr -d "\\n" | tr "|" "\\0" | zstd -cq';
  return execFileSync('sh', ['-c', script, 'sh', name, String(count), program], { maxBuffer: 1 << 28 });
}

function flip(file: string): void {
  const data = readFileSync(file);
  const at = data.length >> 1;
  data[at] = (data[at] ?? 0) ^ 255;
  writeFileSync(file, data);
}

/** What is missing can be had elsewhere: the base from the workspace, a listing from its layer. */
const REPLACEABLE: readonly BlobKind[] = ['base', 'base listing', 'delta listing'];

const damages: Poison[] = BLOBS.flatMap((kind): Poison[] => {
  const without = REPLACEABLE.includes(kind) ? ('goes on' as const) : ('out of use' as const);
  return [
    {
      name: `the ${kind} is truncated`,
      apply: (store) => truncateSync(store.blobFile(kind), statSync(store.blobFile(kind)).size >> 1),
      then: without,
      reason: /is damaged: expected \d+ bytes, found \d+ bytes|goes on/,
    },
    {
      name: `the ${kind} has a flipped byte`,
      apply: (store) => flip(store.blobFile(kind)),
      then: 'out of use',
      reason: /is damaged: expected sha256:[0-9a-f]+, found sha256:/,
      ...(kind === 'delta' ? { isShort: true as const } : {}),
    },
    {
      name: `the ${kind} is missing`,
      apply: (store) => rmSync(store.blobFile(kind)),
      then: without,
      reason: /the blob sha256:[0-9a-f]+ is missing|goes on/,
    },
  ];
});

const record = (
  name: string,
  reason: RegExp,
  edit: (record: Json, text: string) => string | undefined,
): Poison => ({
  name: `the record ${name}`,
  apply: (store) => store.editRecord(edit),
  then: 'out of use',
  reason,
});

const NO_FOLDER = /is no path for a folder/;
const UNREADABLE = /its config has no record of the build that can be read/;

/** A path of the host that must not be there afterwards. */
export const PWNED = join(tmpdir(), `rbm-resume-pwned-${process.pid}`);

export const POISONS: readonly Poison[] = [
  ...damages,
  {
    ...record('has a temporary folder that is a command', NO_FOLDER, (value) => {
      value.tmpFolders = value.tmpFolders.map((folder: string) => `${folder}; touch ${PWNED}`);
      return undefined;
    }),
    isShort: true,
  },
  record('has a temporary folder that is a substitution', NO_FOLDER, (value) => {
    value.tmpFolders[1] = `/var/tmp/$(touch ${PWNED})`;
    return undefined;
  }),
  record('has a temporary folder that is a template', NO_FOLDER, (value) => {
    value.tmpFolders[1] = `/var/tmp/[% exec('touch ${PWNED}') %]`;
    return undefined;
  }),
  record('has a temporary folder with a line break', NO_FOLDER, (value) => {
    value.tmpFolders[0] = `/var/tmp/a\ntouch ${PWNED}`;
    return undefined;
  }),
  record('has a temporary folder that climbs out', NO_FOLDER, (value) => {
    value.tmpFolders[1] = '/var/tmp/../../../../etc';
    return undefined;
  }),
  record(
    'says that every script has ended',
    /its record says of "build" that it has ended and that it was interrupted/,
    (value) => {
      value.endedScripts = ['build'];
      return undefined;
    },
  ),
  record('says that the output was copied', /its record has ended scripts/, (value) => {
    value.endedScripts = ['build 0\nget'];
    return undefined;
  }),
  record('expects other scripts', /of another build: expectedScripts is/, (value) => {
    value.expectedScripts = [];
    return undefined;
  }),
  record('is of another project', /of another build: project is "other"/, (value) => {
    value.project = 'other';
    return undefined;
  }),
  record('is of another project hash', /its record belongs to the project hash f{64}/, (value) => {
    value.hash = 'f'.repeat(64);
    return undefined;
  }),
  record('is of another target', /of another build: targets is/, (value) => {
    value.targets = ['other'];
    return undefined;
  }),
  record('has a leg without an end', UNREADABLE, (_, text) =>
    text.replace(/"seconds":[\d.]+/, '"seconds":1e999'),
  ),
  record('has very many legs', UNREADABLE, (value) => {
    value.legs = Array.from({ length: 5000 }, () => value.legs[0] as Json);
    return undefined;
  }),
  record(
    'says that the script stood at a statement',
    /speaks of a state of a script that it does not hold/,
    (value) => {
      Object.assign(value.legs[0], { place: 'in statement 2 of 2', division: DIVISION });
      return undefined;
    },
  ),
  record('is no JSON', UNREADABLE, () => '{'),
  record('is nested deeply', UNREADABLE, () => `${'['.repeat(200_000)}${']'.repeat(200_000)}`),
  {
    name: 'the config is no object',
    apply: (store) => store.replaceConfig('[]'),
    then: 'out of use',
    reason: /expected OCI JSON/,
  },
  {
    name: 'the config is nested deeply',
    apply: (store) => store.replaceConfig('{"config":'.repeat(100_000)),
    then: 'out of use',
    reason: /expected OCI JSON/,
  },
  {
    name: 'the config has many megabytes',
    apply: (store) => store.replaceConfig(`{"a":"${'a'.repeat(8 << 20)}"}`),
    then: 'out of use',
    reason: /expected at most 4194304 bytes/,
  },
  {
    name: 'the manifest has many megabytes',
    apply: (store) => store.replaceManifest(`{"a":"${'a'.repeat(8 << 20)}"}`),
    then: 'out of use',
    reason: /expected at most 4194304 bytes/,
  },
  {
    name: 'the manifest is its own config',
    apply: (store) =>
      store.editManifest((manifest) => Object.assign(manifest, { config: manifest.layers[0] as Json })),
    then: 'out of use',
    reason: /expected at most 4194304 bytes/,
  },
  {
    name: 'a layer is larger than there are numbers',
    apply: (store) =>
      store.editManifest((manifest) => Object.assign(manifest.layers[1], { size: Number.MAX_SAFE_INTEGER })),
    then: 'out of use',
    reason: /expected 9007199254740991 bytes/,
  },
  {
    name: 'a layer is missing in the manifest',
    apply: (store) => store.editManifest((manifest) => manifest.layers.pop()),
    then: 'out of use',
    reason: /layers and diff_ids differ in number/,
  },
  {
    name: 'a diffId is another one',
    apply: (store) => store.editConfig((config) => (config.rootfs.diff_ids[1] = `sha256:${'0'.repeat(64)}`)),
    then: 'goes on',
    reason: /goes on/,
  },
  {
    name: 'the delta is noise',
    apply: (store) => store.replaceDelta(randomBytes(20_000)),
    then: 'out of use',
    reason: /be unpacked with zstd/,
    isShort: true,
  },
  {
    name: 'the delta is compressed noise',
    apply: (store) => store.replaceDelta(zstdCompress(randomBytes(20_480))),
    then: 'out of use',
    reason: /cannot use the layer, at byte 0 of its archive/,
  },
  {
    name: 'the delta is empty',
    apply: (store) => store.replaceDelta(zstdCompress(Buffer.alloc(10_240))),
    then: 'out of use',
    reason: /was not restored exactly/,
  },
  {
    name: 'the listing is that of another layer',
    apply: (store) => store.replaceListing(readFileSync(store.blobFile('base listing'))),
    then: 'out of use',
    reason: /the folder \/var\/tmp\/\S+ in it is missing/,
  },
  {
    name: 'the listing is compressed noise',
    apply: (store) => store.replaceListing(zstdCompress(randomBytes(5000))),
    then: 'out of use',
    reason: /listing/,
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
    then: 'not used',
    reason: /cannot use .*index\.json/,
    ...(what === 'is cut off' ? { isShort: true as const } : {}),
  })),
  {
    name: 'the index has a generation without an end',
    apply: (store) =>
      store.editIndex(
        (index) => (index.manifests[0].annotations['org.rbm-resume.generation'] = '9'.repeat(300)),
      ),
    then: 'not used',
    reason: /generation is "1", not "9{100}/,
  },
  {
    name: 'the delta says that it unpacks to terabytes',
    apply: (store) =>
      store.editManifest((manifest) =>
        Object.assign(manifest.layers[1].annotations, { 'org.rbm-resume.diff-size': String(2 ** 42) }),
      ),
    then: 'out of use',
    reason: /layer 1 of \d+ bytes would unpack to 4398046511104 bytes/,
    isShort: true,
  },
  {
    name: 'the listing has too many records',
    apply: (store) => store.replaceListing(listingOf('n', 3_000_001)),
    then: 'out of use',
    reason: /too many/,
  },
  {
    name: 'the listing is far too long',
    apply: (store) => store.replaceListing(listingOf('n'.repeat(15_000), 36_000)),
    then: 'out of use',
    reason: /its listing is too long/,
  },
  {
    name: 'the listing has names of one length that no hash tells apart',
    apply: (store) => store.replaceListing(listingOf('n'.repeat(60_000), 8000)),
    then: 'out of use',
    reason: /its name has 60001 bytes/,
  },
  {
    name: 'there are thousands of layers',
    apply: (store) => {
      store.editConfig((config) => {
        config.rootfs.diff_ids = Array.from({ length: 5000 }, () => config.rootfs.diff_ids[1] as string);
      });
      store.editManifest((manifest) => {
        manifest.layers = Array.from({ length: 5000 }, () => manifest.layers[1] as Json);
      });
    },
    then: 'out of use',
    reason: /it has 5000 layers/,
  },
];
