import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { countCompileCommands, isCompileCommand } from '../../lib/prove/compile-commands.js';
import { parseScriptTimes, parseTimes, readCpuSeconds } from '../../lib/cpu-time.js';

describe('isCompileCommand', () => {
  const compilations = [
    '[17/2048] Building CXX object lib/Foo.o',
    'gcc -O2 -c main.c -o main.o',
    '/var/tmp/dist/clang/bin/clang++ --target=x86_64-pc-linux-gnu -c -o Foo.o Foo.cpp',
    'x86_64-w64-mingw32-gcc-12 -c a.c',
    'libtool: compile:  gcc -DPIC -c foo.c',
    'ccache gcc -c x.c',
    '+ cc -c x.c',
    'CFLAGS=-O2 cc -c x.c',
    '     Running `rustc --crate-name serde --edition=2021 src/lib.rs`',
    '   Compiling serde v1.0.219',
    '[ 45%] Building C object CMakeFiles/x.dir/x.c.o',
    '  CC       libfoo.lo',
  ];
  const others = [
    'checking for gcc... gcc',
    'checking whether gcc accepts -g... yes',
    'gcc version 12.2.0',
    'make[1]: Entering directory /var/tmp/build',
    'In file included from main.c:1:',
    '[warning] nothing',
    'rbm-resume: clang goes on in the root filesystem kept',
    '',
  ];
  for (const line of compilations) it(`counts: ${line}`, () => assert.ok(isCompileCommand(line)));
  for (const line of others) it(`leaves out: ${line}`, () => assert.ok(!isCompileCommand(line)));

  it('takes a line of a megabyte in no time', () => {
    const since = performance.now();
    isCompileCommand(`${'a-'.repeat(500_000)} -c`);
    isCompileCommand(`${'A=b '.repeat(250_000)}`);
    isCompileCommand(`gcc ${'-o'.repeat(500_000)}`);
    assert.ok(performance.now() - since < 1000);
  });
});

describe('countCompileCommands', () => {
  it('counts from a byte on', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-prove-'));
    const log = join(dir, 'log');
    writeFileSync(log, 'gcc -c a.c\ngcc -c b.c\r\nnothing\ngcc -c c.c');
    assert.equal(await countCompileCommands(log, 0), 3);
    assert.equal(await countCompileCommands(log, 11), 2);
    assert.equal(await countCompileCommands(log, 1000), 0);
    rmSync(dir, { recursive: true });
  });
});

describe('processor time', () => {
  it('is read from what the shell says', () => {
    assert.equal(parseTimes('0m0.004s 0m0.008s\n1m1.500s 0m0.488s\n'), 62);
    assert.equal(parseTimes('0m0,500s 0m0,500s\n0m0,000s 0m0,000s\n'), 1);
    assert.equal(parseTimes(''), null);
  });

  it('of a script is what the shell above it has waited for meanwhile', () => {
    const before = '0m0.010s 0m0.020s\n0m0.300s 0m0.100s\n';
    const after = '0m0.010s 0m0.030s\n1m2.300s 0m1.100s\n';
    assert.equal(parseScriptTimes(`build\n${before}${after}`, 'build'), 63.01);
    assert.equal(parseScriptTimes(`build\n${before}`, 'build'), null, 'it runs');
    assert.equal(parseScriptTimes(`build_2\n${before}${after}`, 'build'), null, 'another script');
    assert.equal(parseScriptTimes('', 'build'), null);
  });

  it('is read of a process that runs', async () => {
    for (const since = performance.now(); performance.now() - since < 50;);
    const seconds = await readCpuSeconds(process.pid);
    assert.ok(seconds !== null && seconds >= 0.04 && seconds < 600);
    assert.equal(await readCpuSeconds(2 ** 30), null);
  });
});
