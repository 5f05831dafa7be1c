import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RbmResumeError } from '../../lib/errors.js';
import { extractInSandbox, limitsOf, type ExtractSize } from '../../lib/layer/sandbox.js';
import { removeTree } from '../../lib/rootfs/move-tree.js';
import { archive, member } from './tar-bytes.js';

const SIZE: ExtractSize = { largestFile: 1 << 20, bytes: 1 << 20, entries: 10 };

describe('the sandbox of an extraction', () => {
  let work: string;
  let server: Server;
  let connections = 0;
  let port = 0;

  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'rbm-resume-sandbox-'));
    server = createServer((socket) => {
      connections += 1;
      socket.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    ({ port } = address);
  });
  after(async () => {
    server.close();
    await removeTree(work);
  });

  /** What a program in the place of the decompressor says, with an archive of one file as its input. */
  async function probe(
    script: string,
    size = SIZE,
  ): Promise<{ readonly said: string; readonly dir: string }> {
    const dir = mkdtempSync(join(work, 'probe-'));
    for (const name of ['box', 'lists', 'target']) mkdirSync(join(dir, name));
    for (const name of ['0.names', '0.options']) writeFileSync(join(dir, 'lists', name), '');
    const file = join(dir, 'layer');
    writeFileSync(file, archive(member({ name: './a' }, 'x')));
    const handle = await open(file, 'r');
    try {
      await extractInSandbox(join(dir, 'target'), [{ fd: handle.fd, unpack: script }], {
        ...{ box: join(dir, 'box'), lists: join(dir, 'lists') },
        size,
      });
      return { said: '', dir };
    } catch (error) {
      assert.ok(error instanceof RbmResumeError, String(error));
      const said = error.message.replace("the layers can't be extracted: ", '');
      return { said: said.split('; ').join('\n'), dir };
    } finally {
      await handle.close();
    }
  }

  it('lets an archive through', async () => {
    const { said, dir } = await probe('cat');
    assert.equal(said, '');
    assert.deepEqual(readdirSync(join(dir, 'target')), ['a']);
  });

  it('has no network: not even what listens on this machine is reached', async () => {
    const connect = `exec 9<>/dev/tcp/127.0.0.1/${port} && echo REACHED >&2; cat`;
    const { said } = await probe(`bash -c '${connect}'`);
    assert.match(said, /unreachable/);
    assert.doesNotMatch(said, /REACHED/);
    assert.equal(connections, 0);
  });

  it('has the target, the lists and programs, and can write to the target alone', async () => {
    const { said } = await probe(
      `{ echo has: /*; for dir in / /lists /usr /usr/bin; do touch $dir/x 2>/dev/null && echo WRITTEN; done; } >&2; cat`,
    );
    assert.match(said, /^has:( \/(bin|sbin|lib|lib32|lib64|libx32|lists|rootfs|usr))+$/m);
    assert.doesNotMatch(said, /WRITTEN/);
  });

  it('bounds what a program may take', async () => {
    const { said } = await probe(
      `{ for l in c f n t v u; do printf '%s ' "$l$(ulimit -H "-$l")"; done; } >&2; cat`,
    );
    const found = new Map(said.split(' ').map((line) => [line[0], Number(line.slice(1))]));
    for (const limit of limitsOf(SIZE)) {
      const value = found.get(limit[0]);
      assert.ok(value !== undefined && value <= Number(limit.slice(1)), `${limit}: ${said}`);
    }
    assert.ok((found.get('u') ?? Infinity) < 100_000, said);
  });

  it('ends a program that wants more memory, descriptors or time than that', async () => {
    const hungry: Record<string, string> = {
      memory: `dd if=/usr/bin/env bs=5G count=1; cat`,
      descriptors: `bash -c 'for ((n = 10; n < 400; n++)); do eval "exec $n<&0" || exit; done; echo opened $n >&2'; cat`,
      time: `bash -c 'ulimit -t 1; while :; do :; done' || echo ended >&2; cat`,
    };
    const said = await Promise.all(Object.values(hungry).map(async (script) => (await probe(script)).said));
    assert.match(said[0] ?? '', /memory exhausted/);
    assert.match(said[1] ?? '', /Bad file descriptor|Too many open files/);
    assert.doesNotMatch(said[1] ?? '', /opened 400/);
    assert.match(said[2] ?? '', /ended/);
  });

  it('gives more to what is larger', () => {
    const value = (letter: string, size: ExtractSize) =>
      Number(
        limitsOf(size)
          .find((limit) => limit.startsWith(letter))
          ?.slice(1),
      );
    const large = { largestFile: 2 ** 40, bytes: 2 ** 41, entries: 5_000_000 };
    assert.equal(value('f', large), 2 ** 30 + 1);
    assert.ok(value('t', large) > value('t', SIZE) + 2 ** 41 / (2 << 20));
    assert.ok(value('v', large) > value('v', SIZE));
    assert.equal(value('c', large), 0);
  });
});
