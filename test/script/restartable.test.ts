import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isRestartable } from '../../lib/script/restartable.js';

describe('a command that is interrupted at once', () => {
  it('is one that goes on from what is there', () => {
    for (const command of [
      'make -j8',
      'CC=gcc V=1 make',
      '/usr/bin/ninja -v',
      './mach build',
      'cargo build --release',
      'cmake --build .',
      'time make',
      'go build ./...',
    ]) {
      assert.ok(isRestartable(command), command);
    }
  });

  it('is no other', () => {
    for (const command of [
      'makeinfo x',
      'cmake ..',
      './configure',
      'patch -p1',
      'cargo-vendor',
      'echo make',
      'go get x',
    ])
      assert.ok(!isRestartable(command), command);
  });
});
