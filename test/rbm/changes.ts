import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IMAGE_NAME, loadShim } from './workspace.js';

/** A change of the fixture workspace, or of the way in which it is asked for. */
export interface Change {
  readonly title: string;
  readonly edit?: (dir: string) => void;
  readonly project?: string;
  readonly targets?: readonly string[];
  readonly env?: Record<string, string>;
}

const edit = (dir: string, file: string, change: (text: string) => string): void => {
  const path = join(dir, file);
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  assert.notEqual(after, before, `the edit of ${file} changes nothing`);
  writeFileSync(path, after);
};
const append = (file: string, text: string) => (dir: string) => edit(dir, file, (before) => before + text);
const replace = (file: string, from: string | RegExp, to: string) => (dir: string) =>
  edit(dir, file, (before) => before.replace(from, to));

/** Each decides what is built: each must change the hash. */
export const mutations: Change[] = [
  { title: 'a line of the build script', edit: append('projects/tally/build', 'echo more\n') },
  { title: 'a comment of the build script', edit: append('projects/tally/build', '# more\n') },
  {
    title: 'a line that is left out while rbm makes an id',
    edit: append('projects/tally/build', '[% UNLESS c("getting_id") -%]\necho more\n[% END -%]\n'),
  },
  {
    title: 'the shell of the build script',
    edit: replace('projects/tally/build', '#!/bin/bash', '#!/bin/sh'),
  },
  { title: 'a pre script', edit: append('projects/tally/config', '\npre: |\n  #!/bin/sh\n  echo pre\n') },
  { title: 'a post script', edit: append('projects/tally/config', '\npost: |\n  #!/bin/sh\n  echo post\n') },
  { title: 'the version', edit: replace('projects/tally/config', "version: '1.0'", "version: '1.1'") },
  { title: 'the file name', edit: replace('projects/tally/config', '.tar.gz', '.tgz') },
  { title: 'an option that the script uses', edit: replace('rbm.conf', 'units_tally: 6', 'units_tally: 7') },
  { title: 'the timestamp', edit: append('projects/tally/config', "\ntimestamp: '946684801'\n") },
  { title: 'the content of an input file', edit: append('projects/tally/main.c', '/* more */\n') },
  { title: 'the content of an input file in common', edit: append('projects/common/units.mk', '# more\n') },
  {
    title: 'one more input file',
    edit: (dir) => {
      writeFileSync(join(dir, 'projects/tally/extra'), 'extra');
      edit(dir, 'projects/tally/config', (text) =>
        text.replace('  - filename: main.c', '  - filename: main.c\n  - filename: extra'),
      );
    },
  },
  { title: 'one input file less', edit: replace('projects/tally/config', '  - filename: main.c\n', '') },
  {
    title: 'the name of an input file',
    edit: (dir) => {
      renameSync(join(dir, 'projects/tally/main.c'), join(dir, 'projects/tally/Main.c'));
      edit(dir, 'projects/tally/config', (text) => text.replace('main.c', 'Main.c'));
    },
  },
  {
    title: 'a file in an input directory',
    edit: (dir) => {
      mkdirSync(join(dir, 'projects/tally/patches'));
      writeFileSync(join(dir, 'projects/tally/patches/one'), 'one');
      edit(dir, 'projects/tally/config', (text) =>
        text.replace('  - filename: main.c', '  - filename: main.c\n  - filename: patches'),
      );
    },
  },
  {
    title: 'the content id that the config gives an input file',
    edit: replace(
      'projects/tally/config',
      '  - filename: main.c',
      '  - filename: main.c\n    input_file_id: other',
    ),
  },
  {
    title: 'the version of a dependency',
    edit: replace('projects/libtally/config', "version: '1.0'", "version: '1.1'"),
  },
  { title: 'the build script of a dependency', edit: append('projects/libtally/build', 'echo more\n') },
  { title: 'the file name of a dependency', edit: replace('projects/libtally/config', '.tar.gz', '.tgz') },
  {
    title: 'the name of the container image',
    edit: (dir) => {
      const common = join(dir, 'projects/common');
      renameSync(join(common, IMAGE_NAME), join(common, 'container-image_trixie.tar.zst'));
      for (const project of ['tally', 'libtally']) {
        edit(dir, `projects/${project}/config`, (text) => text.replaceAll('image_bookworm', 'image_trixie'));
      }
    },
  },
  {
    title: 'the user who builds',
    edit: replace('rbm.conf', 'use_container: 1', 'use_container: 1\n  user: other'),
  },
  {
    title: 'the network during the build',
    edit: replace('rbm.conf', 'use_container: 1', "use_container: 1\n  disable_network:\n    build: ''"),
  },
  {
    title: 'how the container is started',
    edit: replace('rbm.conf', 'use_container: 1', "use_container: 1\n  remote_start: '#!/bin/true'"),
  },
  {
    title: 'how the temporary folders are named',
    edit: append('rbm.conf', "\nremote_mktemp: 'mktemp -d'\n"),
  },
  { title: 'a target', targets: ['small'] },
  { title: 'one more target', targets: ['tiny', 'other'] },
  { title: 'the project', project: 'libtally' },
];

/** None of these decides what is built: none may change the hash. */
export const irrelevant: Change[] = [
  { title: 'num_procs', env: { RBM_NUM_PROCS: '17' } },
  { title: 'the temporary folder', env: { TMPDIR: '/var/tmp' } },
  { title: 'rbm’s temporary folder', edit: replace('rbm.conf', '/tmp', '/tmp-elsewhere') },
  { title: 'the output folder', edit: replace('rbm.conf', "'out/", "'results/") },
  { title: 'the build log', edit: replace('rbm.conf', "'logs/", "'elsewhere/") },
  { title: 'the debug option', edit: replace('rbm.conf', 'debug: 0', 'debug: 1') },
  {
    title: 'the bytes of the container image',
    edit: append(`projects/common/${IMAGE_NAME}`, ' rebuilt tomorrow'),
  },
  {
    title: 'every mtime',
    edit: (dir) => {
      for (const file of [
        'rbm.conf',
        'projects/tally/build',
        'projects/tally/main.c',
        'projects/common/units.mk',
      ]) {
        utimesSync(join(dir, file), 1, 1);
      }
    },
  },
  { title: 'a project that is not used', edit: append('projects/image/config', '\n# more\n') },
  {
    title: 'the store',
    edit: replace('rbm.conf', 'units_tally:', 'resume_store: elsewhere\n  units_tally:'),
  },
  {
    title: 'keeping failed containers',
    edit: replace('rbm.conf', 'units_tally:', 'resume_keep_failed: 1\n  units_tally:'),
  },
  { title: 'the user', env: { USER: 'somebody', HOME: '/nonexistent', LOGNAME: 'somebody' } },
  { title: 'the run of rbm', env: { DESCRIBE_BUILD_ID: 'another', RBM_RESUME_RUN: '/nonexistent' } },
  {
    title: 'the local configuration’s other options',
    edit: (dir) =>
      writeFileSync(join(dir, 'rbm.local.conf'), `container:\n  marker: 1\nvar:\n  mine: 1\n${loadShim()}`),
  },
];
