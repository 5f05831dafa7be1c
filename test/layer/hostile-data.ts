import { harmless, refused, type HostileCase } from './hostile-case.js';
import { archive, END, member, pax } from './tar-bytes.js';

function* sizes(): Generator<HostileCase> {
  for (const type of ['1', '2', '3', '4', '5', '6']) {
    const linkName = type < '3' ? 'before' : '';
    const bytes = archive(member({ name: 'before' }), member({ type, linkName }, 'data'));
    yield refused(`data of a member of type ${type}`, bytes, /has data, but is no file/);
    const inPax = archive(
      member({ name: 'before' }),
      pax([['size', '4']]),
      member({ type, linkName, size: '00000000004\0' }, 'data'),
    );
    yield refused(`data of a member of type ${type} by its pax header`, inPax, /has data, but is no file/);
  }
  for (const [own, other] of [
    ['4', '0'],
    ['0', '4'],
    ['4', '5'],
    ['512', '4'],
    ['4', '1024'],
  ] as const) {
    // prettier-ignore
    const size = `${Number(own).toString(8).padStart(11, '0')}\0`;
    const bytes = archive(
      pax([['size', other]]),
      member({ size }, 'x'.repeat(Number(own))),
      member({ name: 'b' }),
    );
    yield refused(`a size of ${own} that is ${other} in the pax header`, bytes, /bytes, and/);
  }
  yield refused('a size beyond the end', archive(member({ size: '00000010000\0' }, 'data')), /cut off/);
  yield refused('a size of 8 GiB', archive(member({ size: '77777777777\0' })), /cut off/);
  yield refused(
    'a size of 8 PiB',
    archive(member({ size: '\x80\0\0\0\0\x0f' + '\xff'.repeat(6) })),
    /cut off/,
  );
  yield harmless('a size in the pax header as in the own', archive(pax([['size', '4']]), member({}, 'data')));
}

function* ends(): Generator<HostileCase> {
  const one = member({ name: 'a' }, 'data');
  const [zeros, hidden] = [Buffer.alloc(512), member({ name: 'hidden' })];
  yield refused('nothing', Buffer.alloc(0), /cut off/);
  yield refused('a lone block of zeros', zeros, /cut off/);
  yield refused('no end', one, /cut off/);
  yield refused('a lone block of zeros at the end', Buffer.concat([one, zeros]), /cut off/);
  yield refused(
    'a lone block of zeros in the middle',
    Buffer.concat([one, zeros, hidden, END]),
    /lone block of zeros/,
  );
  yield refused('a lone block of zeros in front', Buffer.concat([zeros, one, END]), /lone block of zeros/);
  yield refused('a member behind the end', Buffer.concat([one, END, hidden, END]), /follows the end/);
  yield refused('one byte behind the end', Buffer.concat([one, END, Buffer.from('x')]), /follows the end/);
  yield refused(
    'one byte far behind the end',
    Buffer.concat([one, END, Buffer.alloc(100_000), Buffer.from('x')]),
    /follows the end/,
  );
  yield refused('a newline behind the end', Buffer.concat([one, END, Buffer.from('\n')]), /follows the end/);
  yield refused(
    'a byte within the last block',
    Buffer.concat([one, Buffer.alloc(1023), Buffer.from('x')]),
    /lone block of zeros/,
  );
  yield harmless('blocks of zeros behind the end', Buffer.concat([one, END, Buffer.alloc(9216)]));
  yield harmless('no members', END);
  const whole = archive(
    pax([
      ['path', 'é'],
      ['mtime', '1.5'],
    ]),
    member({}, 'x'.repeat(700)),
    member({ name: 'd', type: '5' }), // prettier-ignore
    member({ type: 'L', magic: 'ustar  \0' }, `${'n'.repeat(600)}\0`),
    member({ magic: 'ustar  \0' }, 'data'),
  );
  for (let at = 0; at < whole.length; at += 512) {
    yield refused(`an archive cut off at byte ${at}`, whole.subarray(0, at), /cut off/);
    yield refused(`an archive cut off at byte ${at + 1}`, whole.subarray(0, at + 1), /cut off/);
  }
}

/** Archives with more or less data than they say, or that end otherwise than archives do. */
export function* hostileData(): Generator<HostileCase> {
  yield* sizes();
  yield* ends();
}
