import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isShell } from '../../../lib/container/stop/shells.js';

describe('telling shells', () => {
  for (const executable of [
    '/c/usr/bin/dash',
    '/c/bin/bash',
    '/c/bin/bash (deleted)',
    '/c/usr/bin/zsh',
    '/c/usr/bin/zsh5',
    '/c/usr/bin/bash-5.2',
    '/c/bin/ksh93',
    '/c/bin/mksh',
  ]) {
    it(`takes ${executable} for one, whatever it calls itself`, () => {
      assert.equal(isShell({ executable, command: ['./build'] }), true);
    });
  }

  for (const executable of [
    '/c/usr/bin/make',
    '/c/bin/sh/cc1',
    '/c/usr/bin/bashful',
    '/c/usr/bin/perl',
    undefined,
  ]) {
    it(`does not take ${executable} for one, whatever it calls itself`, () => {
      assert.equal(isShell({ executable, command: ['sh', '-c', 'true'] }), false);
    });
  }

  it('tells the programs of BusyBox apart by their arguments', () => {
    const executable = '/c/bin/busybox';
    for (const command of [
      ['sh', '-c', 'x'],
      ['-ash'],
      ['/bin/ash', 'build'],
      ['busybox', 'sh'],
      ['/bin/busybox', 'hush'],
    ]) {
      assert.equal(isShell({ executable, command }), true, command.join(' '));
    }
    for (const command of [['sleep', '1'], ['busybox', 'tee', 'sh'], ['/bin/cp', 'sh', 'ash'], []]) {
      assert.equal(isShell({ executable, command }), false, command.join(' '));
    }
  });
});
