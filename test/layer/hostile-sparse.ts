import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, member, pax } from './tar-bytes.js';

const SPARSE = (map: string, data: string, realSize = '9000') =>
  archive(
    pax([['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 's'], ['GNU.sparse.realsize', realSize]]), // prettier-ignore
    member(
      { name: 'GNUSparseFile.0/s' },
      map.padEnd(Math.ceil(Math.max(1, map.length) / 512) * 512, '\0') + data,
    ),
    member({ name: 'after' }, 'after'),
  );
const X = 'x'.repeat(512);

const MAPS: Readonly<Record<string, readonly [string, string]>> = {
  'in disorder': ['3\n2048\n512\n0\n512\n9000\n0\n', X + X],
  'that overlap': ['3\n0\n512\n511\n512\n9000\n0\n', X + X],
  'twice the same': ['3\n0\n512\n0\n512\n9000\n0\n', X + X],
  'beyond the end': ['1\n9000\n512\n', X],
  'across the end': ['1\n8999\n512\n', X],
  'before the end, with nothing at it': ['1\n0\n512\n', X],
  'with more than is stored': ['2\n0\n1024\n9000\n0\n', X],
  'with less than is stored': ['2\n0\n512\n9000\n0\n', X + X],
  'that end within a block': ['3\n0\n100\n1024\n412\n9000\n0\n', X],
  'of nothing in the middle': ['3\n0\n512\n1024\n0\n9000\n0\n', X],
  'with a minus': ['2\n-1\n512\n9000\n0\n', X],
  'with a plus': ['2\n+0\n512\n9000\n0\n', X],
  'with a zero in front': ['2\n00\n512\n9000\n0\n', X],
  'with a space': ['2\n0 \n512\n9000\n0\n', X],
  'with an empty number': ['2\n\n512\n9000\n0\n', X],
  'in hexadecimal': ['2\n0x0\n512\n9000\n0\n', X],
  'with carriage returns': ['2\r\n0\r\n512\r\n9000\r\n0\r\n', X],
  'with commas': ['2,0,512,9000,0\n', X],
  'beyond what is exact': ['2\n0\n512\n99999999999999999\n0\n', X],
  'fewer than their number': ['5\n0\n512\n', X],
  'more than their number': ['1\n0\n512\n9000\n0\n', X],
  'without a number': ['\n0\n512\n', X],
  'of none': ['', X],
  'without a newline at the end': ['2\n0\n512\n9000\n0', X],
  'with text behind': ['2\n0\n512\n9000\n0\nmore', X],
  'of an endless digit': ['1'.repeat(600), X],
  'more than the limit': ['1000001\n', X],
  'and a member hidden behind them': [
    '2\n0\n512\n9000\n0\n',
    X + member({ name: 'hidden' }).toString('latin1'),
  ],
};

const SPARSE_RECORDS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'without a name': [['major', '1'], ['minor', '0'], ['realsize', '0']],
  'without a size': [['major', '1'], ['minor', '0'], ['name', 's']],
  'without a minor version': [['major', '1'], ['name', 's'], ['realsize', '0']],
  'of version 1.1': [['major', '1'], ['minor', '1'], ['name', 's'], ['realsize', '0']],
  'of version 2.0': [['major', '2'], ['minor', '0'], ['name', 's'], ['realsize', '0']],
  'of version 0.2': [['major', '0'], ['minor', '2'], ['name', 's'], ['size', '0'], ['map', '']],
  'with its map in two places': [['size', '5'], ['map', '0,4,5,0'], ['offset', '0'], ['numbytes', '4']],
  'with a length before its offset': [['size', '5'], ['numblocks', '1'], ['numbytes', '4'], ['offset', '0']],
  'with an offset alone': [['size', '5'], ['numblocks', '1'], ['offset', '0']],
  'with another number of pieces': [['size', '5'], ['numblocks', '3'], ['map', '0,4,5,0']],
  'with half a piece': [['size', '5'], ['numblocks', '2'], ['map', '0,4,5']],
  'with a map of text': [['size', '5'], ['numblocks', '1'], ['map', 'a,b']],
  'with a size that is text': [['size', 'x'], ['numblocks', '1'], ['map', '0,4']],
  'with two sizes': [['size', '5'], ['realsize', '5'], ['numblocks', '2'], ['map', '0,4,5,0']],
}; // prettier-ignore

export function* hostileSparseFiles(): Generator<HostileCase> {
  const uncounted = { 'GNU.sparse.map': '0,4,5,0', 'GNU.sparse.offset': '0' };
  for (const [key, value] of Object.entries(uncounted)) {
    for (const more of [[], [['GNU.sparse.numblocks', '2'] as const]]) {
      const bytes = archive(pax([['GNU.sparse.size', '5'], [key, value], ...more]), member({}, 'data'));
      const when = more.length === 0 ? 'without their number' : 'before their number';
      yield refused(`a sparse file with ${key} ${when}`, bytes, /map of a sparse file/);
    }
  }
  for (const key of ['GNU.volume.label', 'GNU.volume.offset', 'GNU.dumpdir', 'GNU.sparse.other']) {
    const records = [
      ['GNU.sparse.size', '5'],
      ['GNU.sparse.numblocks', '2'],
      ['GNU.sparse.map', '0,4,5,0'],
      [key, '1'],
    ] as const;
    const bytes = archive(pax(records), member({}, 'data'));
    yield refused(`a sparse file of version 0.1 with ${key}`, bytes, /map of a sparse file/);
  }
  for (const [what, [map, data]] of Object.entries(MAPS)) {
    yield refused(
      `a sparse file with pieces ${what}`,
      SPARSE(map, data),
      /map of a sparse file|number in its pax|sparse file has|cut off/,
    );
  }
  for (const [what, records] of Object.entries(SPARSE_RECORDS)) {
    const keyed = records.map(([key, value]) => [`GNU.sparse.${key}`, value] as const);
    yield refused(
      `a sparse file ${what}`,
      archive(pax(keyed), member({}, 'data')),
      /map of a sparse file|number in its pax/,
    );
  }
  for (const type of ['1', '2', '5', '6']) {
    const bytes = archive(
      pax([['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', 's'], ['GNU.sparse.realsize', '0']]), // prettier-ignore
      member({ type, linkName: type < '3' ? 'x' : '' }),
    );
    yield refused(`a sparse member of type ${type}`, bytes, /sparse, but no file/);
  }
  const old = (fields: Readonly<Record<number, string>>, data = X) =>
    archive(
      member(
        {
          type: 'S',
          magic: 'ustar  \0',
          raw: Object.entries({ 483: '00000021450\0', ...fields }).map(
            ([at, text]) => [Number(at), text] as const,
          ),
        },
        data,
      ),
      member({ name: 'after', magic: 'ustar  \0' }),
    );
  const at = (offset: number) => `${offset.toString(8).padStart(11, '0')}\0`;
  const OLD = /map of a sparse file|number in its header|checksum|unknown format/;
  yield harmless('a sparse file of old GNU', old({ 386: at(0) + at(512), 410: at(9000) + at(0) }));
  yield refused('an old sparse file without pieces', old({}), OLD);
  yield refused('an old sparse file with an end alone', old({ 386: at(9000) + at(0) }), OLD);
  yield refused('an old sparse file without an end', old({ 386: at(0) + at(512) }), OLD);
  yield refused(
    'an old sparse file with a gap in its map',
    old({ 386: at(0) + at(512), 434: at(9000) + at(0) }),
    OLD,
  );
  yield refused(
    'an old sparse file whose map goes on and is not full',
    old({ 386: at(0) + at(512), 410: at(9000) + at(0), 482: '\x01' }),
    OLD,
  );
  yield refused(
    'an old sparse file whose map goes on in an unknown way',
    old({ 386: at(0) + at(512), 410: at(9000) + at(0), 482: '1' }),
    OLD,
  );
  yield refused('an old sparse file with text in its map', old({ 386: 'text' }), OLD);
  yield refused(
    'an old sparse file with a negative size',
    old({ 386: at(0) + at(512), 483: '\xff'.repeat(12) }),
    OLD,
  );
  yield refused('an old sparse file in a POSIX header', archive(member({ type: 'S' }, X)), /in two ways/);
  yield refused(
    'an old sparse file with a pax header',
    archive(pax([['uid', '1']]), member({ type: 'S', magic: 'ustar  \0' }, X)),
    /in two ways/,
  );
}
