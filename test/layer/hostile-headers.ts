import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, header, member, seal, type Fields } from './tar-bytes.js';

type NumberField = 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devMajor' | 'devMinor';

const LENGTH: Readonly<Record<NumberField, number>> = {
  ...{ mode: 8, uid: 8, gid: 8, size: 12, mtime: 12, devMajor: 8, devMinor: 8 },
};

/** Ways of writing a number that is none, for a field of a length. */
const WRONG_NUMBERS: Readonly<Record<string, (length: number) => string>> = {
  'with the digit 8': (length) => '8'.padStart(length - 1, '0') + '\0',
  'with the digit 9 at its end': (length) => '9'.padStart(length - 1, '1') + '\0',
  'that is hexadecimal': (length) => '0x1f'.padEnd(length, '\0'),
  'with a minus': (length) => '-1'.padEnd(length, '\0'),
  'with a plus': (length) => '+1'.padEnd(length, '\0'),
  'with a space inside': (length) => '12 34'.padEnd(length, '\0'),
  'with a NUL inside': (length) => '1\x002'.padEnd(length, '\0'),
  'with a NUL in front': (length) => '\x0012'.padEnd(length, '\0'),
  'with a tab in front': (length) => '\t12'.padEnd(length, '\0'),
  'with text behind': (length) => '12x'.padEnd(length, '\0'),
  'with text behind its NUL': (length) => '12\0x'.padEnd(length, '\0'),
  'of letters': (length) => 'a'.repeat(length),
  'of NULs': (length) => '\0'.repeat(length),
  'of spaces': (length) => ' '.repeat(length),
  'in base 64 as the first GNU tar had it': (length) => '+AAAAAAB'.padEnd(length, '\0'),
  'in base 256 with an unknown first byte': (length) => '\xc0'.padEnd(length, '\0'),
  'in base 256 with a digit in its first byte': (length) => '\x81'.padEnd(length, '\0'),
  'in base 256 beyond what is exact': (length) => '\x80' + '\xff'.repeat(length - 1),
  'in base 256, negative, beyond what is exact': (length) => '\xff\0' + '\0'.repeat(length - 2),
};

const isDevice = (field: NumberField) => field === 'devMajor' || field === 'devMinor';

function* wrongNumbers(): Generator<HostileCase> {
  for (const [field, length] of Object.entries(LENGTH) as [NumberField, number][]) {
    for (const magic of ['ustar\x0000', 'ustar  \0']) {
      const format = magic === 'ustar  \0' ? 'GNU' : 'POSIX';
      const fields: Fields = isDevice(field) ? { type: '3', magic } : { magic };
      for (const [what, write] of Object.entries(WRONG_NUMBERS)) {
        const bytes = archive(member({ name: 'before' }), member({ ...fields, [field]: write(length) }));
        yield refused(`a ${field} ${what} (${format})`, bytes, /a number in its header is malformed/);
      }
    }
    if (field === 'mtime') continue;
    const negative = archive(
      member({ ...(isDevice(field) ? { type: '4' } : {}), [field]: '\xff'.repeat(LENGTH[field]) }),
    );
    yield refused(`a ${field} of -1`, negative, /is negative|out of range/);
  }
}

/** A letter in a header that stands in front of a member must be right as well: some programs look at them. */
function* wrongPrefaceNumbers(): Generator<HostileCase> {
  for (const type of ['x', 'L', 'K']) {
    for (const field of ['mode', 'uid', 'gid', 'mtime', 'devMajor'] as const) {
      const preface = member(
        { type, name: 'preface', [field]: 'z'.repeat(LENGTH[field]) },
        type === 'x' ? '8 uid=1\n' : 'a\0',
      );
      yield refused(
        `a header of type ${type} whose ${field} is text`,
        archive(preface, member({})),
        /number in its header/,
      );
    }
  }
}

const KNOWN_TYPES = '01234567SxgLK\0';

function* unknownTypes(): Generator<HostileCase> {
  for (let code = 0; code < 256; code += 1) {
    const type = String.fromCharCode(code);
    if (KNOWN_TYPES.includes(type)) continue;
    const name = /[!-~]/.test(type) ? type : `0x${code.toString(16)}`;
    yield refused(`the type ${name}`, archive(member({ type }, 'data')), /unknown type/);
  }
}

const MAGICS: Readonly<Record<string, string>> = {
  'in capitals': 'USTAR\x0000',
  'without its NUL': 'ustar000',
  'with another version': 'ustar\x0001',
  'without a version': 'ustar\0\0\0',
  'with spaces as version': 'ustar\0  ',
  'of GNU tar without its NUL': 'ustar   ',
  'of GNU tar with digits': 'ustar 00',
  'of another program': 'garbage!',
  'cut off': 'ust\0\0\0\0\0',
  'of spaces': '        ',
};

const CHECKSUMS: Readonly<Record<string, (sum: number) => string>> = {
  'one too much': (sum) => `${(sum + 1).toString(8).padStart(6, '0')}\0 `,
  'one too little': (sum) => `${(sum - 1).toString(8).padStart(6, '0')}\0 `,
  'of zeros': () => '000000\0 ',
  'of spaces': () => '        ',
  'of NULs': () => '\0'.repeat(8),
  'in decimal': (sum) => `${String(sum).padStart(6, '0')}\0 `,
  'with spaces in front': (sum) => `${sum.toString(8).padStart(6, ' ')}\0 `,
  'with text behind': (sum) => `${sum.toString(8).padStart(6, '0')}xx`,
  'in base 256': (sum) => `\x80\0\0\0\0\0${String.fromCharCode(sum >> 8, sum & 255)}`,
  'with a minus': (sum) => `-${sum.toString(8).padStart(5, '0')}\0 `,
};

function* wrongChecksums(): Generator<HostileCase> {
  for (const [what, write] of Object.entries(CHECKSUMS)) {
    const block = header({ name: 'a' });
    const sum = Number.parseInt(block.toString('latin1', 148, 154), 8);
    block.write(write(sum), 148, 'latin1');
    yield refused(`a checksum ${what}`, archive(member({ name: 'before' }), block), /checksum/);
  }
  const signed = header({ name: '\xff\xfe' });
  const sum = Number.parseInt(signed.toString('latin1', 148, 154), 8) - 512;
  signed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  yield refused('a checksum of signed bytes, as old programs had it', archive(signed), /checksum/);
}

/** What is at such a place is read by some programs, and not by others. */
const RESERVED: readonly (readonly [string, string, number])[] = [
  ['the mark of star at the end of a POSIX header', 'ustar\x0000', 508],
  ['something at the end of a POSIX header', 'ustar\x0000', 500],
  ['something at the end of a GNU header', 'ustar  \0', 500],
  ['an offset in another volume', 'ustar  \0', 369],
  ['a table of long names', 'ustar  \0', 381],
  ['a map of pieces in a GNU file that is not sparse', 'ustar  \0', 386],
  ['the mark of more pieces in a GNU file that is not sparse', 'ustar  \0', 482],
  ['a real size in a GNU file that is not sparse', 'ustar  \0', 483],
  ['a user in a header without a format', '\0'.repeat(8), 265],
  ['a prefix in a header without a format', '\0'.repeat(8), 345],
];

export function* hostileHeaders(): Generator<HostileCase> {
  yield* wrongNumbers();
  yield* wrongPrefaceNumbers();
  yield* unknownTypes();
  yield* wrongChecksums();
  for (const [what, magic] of Object.entries(MAGICS)) {
    yield refused(`a format ${what}`, archive(member({ magic })), /unknown format/);
  }
  for (const [what, magic, at] of RESERVED) {
    yield refused(what, archive(member({ magic, raw: [[at, 'tar']] })), /unknown format/);
  }
  yield refused(
    'a time of access of a GNU header that is text',
    archive(member({ magic: 'ustar  \0', prefix: 'x' })),
    /number in its header/,
  );
  yield refused(
    'a device without a format',
    archive(member({ type: '3', magic: '\0'.repeat(8) })),
    /device without numbers/,
  );
  yield refused(
    'a device number beyond what Linux has',
    archive(member({ type: '3', devMajor: '0010000\0' })),
    /device numbers/,
  );
  yield refused('a mode beyond 32 bits', archive(member({ mode: '\x80\0\0\x01\0\0\0\0' })), /out of range/);
  yield refused('an owner beyond 32 bits', archive(member({ uid: '\x80\0\0\x01\0\0\0\0' })), /out of range/);
  yield harmless('a mode with the bits of a type', archive(member({ mode: '0100644\0' })));
  yield harmless(
    'numbers in base 256',
    archive(member({ uid: '\x80\0\0\0\0\0\0\x07', mtime: '\x80' + '\0'.repeat(10) + '\x05' })),
  );
  yield harmless('a time before 1970 in base 256', archive(member({ mtime: '\xff'.repeat(12) })));
  yield harmless(
    'numbers without an end',
    archive(member({ mode: '00000644', uid: '00000001', mtime: '000000000001' })),
  );
  yield harmless('numbers with spaces around', archive(member({ mode: '   644 \0', uid: '     1 \0' })));
  yield harmless('a header without a format', archive(seal(Buffer.from(header({ magic: '\0'.repeat(8) })))));
}
