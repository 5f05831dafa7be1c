import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { testRoot } from '../rbm/workspace.js';

/** A workspace of the given files in a folder of its own; its outputs go to out/PROJECT. */
export function writeWorkspace(files: Readonly<Record<string, string>>): string {
  mkdirSync(testRoot(), { recursive: true });
  const dir = join(mkdtempSync(join(testRoot(), 'rbm-resume-plan-')), 'workspace');
  const all = { 'rbm.conf': RBM_CONF, 'projects/common/README': 'common\n', ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

/** As in Tor Browser: the build id in a file name is made of the script and the inputs' ids. */
const RBM_CONF = `
tmp_dir: '[% c("basedir") %]/tmp'
output_dir: 'out/[% project %]'
version: 1
filename: '[% project %]-[% c("var/os") %]-[% c("var/build_id") %].tar'
build: 'build of [% project %] for [% c("var/os") %]'
var:
  os: any
  build_id: '[% sha256(c("var/id_text", { num_procs => 4 })).substr(0, 6) %]'
  id_text: |
    [% IF c("git_url"); exec("git log -1 --format=%h " _ c("git_hash"), { exec_noco => 1 }); END %]
    [% c("input_files_id") %]
    [% SET step = c("step"); c(step, { filename => "f", getting_id => 1, norec => {} }) %]
targets:
  linux: {var: {os: linux}}
  mac: {var: {os: mac}}
  nightly: {var: {os: nightly}}
  mac-arm: {var: {os: mac-arm}}
`;

/** browser needs almost everything, by each of the ways in which an input file can have its targets. */
export const GRAPH: Readonly<Record<string, string>> = {
  'projects/browser/config': `
input_files:
  - {project: compiler, name: cc}
  - {project: engine, name: engine}
  - {project: engine, name: nightly, target_prepend: [nightly]}
  - {project: engine, name: sources, pkg_type: sources}
  - {project: tor, name: tor, target: [mac]}
  - {project: tor, name: arm, target_replace: {'^linux$': 'mac-arm'}}
  - {project: fonts, name: fonts, target_append: [nightly]}
  - {project: windows-only, enable: '[% c("var/os") == "windows" %]'}
  - {filename: icon.png}
`,
  'projects/browser/icon.png': 'icon',
  'projects/compiler/config': `
input_files:
  - {project: libc}
`,
  'projects/libc/config': `
build: 'one libc for all'
filename: 'libc-[% c("var/build_id") %].tar'
input_files:
  - {filename: note, content: 'made for [% project %]'}
`,
  'projects/engine/config': `
steps:
  sources:
    sources: 'pack the sources'
    input_files: []
input_files:
  - {project: compiler}
  - {project: libc}
`,
  'projects/tor/config': `
input_files:
  - {project: compiler, target: [linux]}
`,
  'projects/fonts/config': `
input_files:
  - {filename: font.ttf, exec: 'exit 1'}
`,
  'projects/windows-only/config': 'input_files: []\n',
};
