import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadShim, packageDir, testRoot, type Rbm } from './workspace.js';

/** One project of a workspace that is written for one test. */
export interface TrapProject {
  /** Bash, as a template: `[% dest_dir %]/[% c("filename") %]` is the output. */
  readonly build: string;
  readonly pre?: string;
  readonly post?: string;
  /** `null`: nothing is said. @default 'rerun' */
  readonly resume?: 'statement' | 'rerun' | 'off' | null;
  /** The script is as it stands, with its own first line. */
  readonly isWhole?: true;
  readonly dependsOn?: readonly string[];
  /** More lines of its config, as YAML. */
  readonly config?: string;
}

/** The small image, made once per run of the tests. */
export function smallImage(): string {
  const image = join(testRoot(), `rbm-resume-small-image-${process.getuid?.()}.tar`);
  mkdirSync(dirname(image), { recursive: true });
  const made = spawnSync(join(packageDir, 'fixtures', 'make-small-image'), [image], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`make-small-image: ${made.stderr}`);
  return image;
}

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it printed on both, as it came. */
  readonly output: string;
  readonly stdout: string;
}

/** A workspace with a real or stand-in rbm, and the command on it. */
export class TrapWorkspace {
  readonly dir: string;

  constructor(
    readonly rbm: Rbm,
    projects: Readonly<Record<string, TrapProject>>,
    options: { readonly localConf?: string; readonly conf?: string; readonly debug?: number } = {},
  ) {
    const image = smallImage();
    this.dir = mkdtempSync(join(testRoot(), 'rbm-resume-trap-'));
    mkdirSync(join(this.dir, 'projects', 'common'), { recursive: true });
    linkSync(image, join(this.dir, 'projects', 'common', 'container-image_small.tar'));
    writeFileSync(
      join(this.dir, 'rbm.conf'),
      [
        `tmp_dir: '[% c("basedir") %]/tmp'`,
        `output_dir: 'out/[% project %]'`,
        `build_log: 'logs/[% project %].log'`,
        `debug: ${options.debug ?? 0}`,
        'container:',
        '  use_container: 1',
        options.conf ?? '',
        '',
      ].join('\n'),
    );
    writeFileSync(join(this.dir, 'rbm.local.conf'), options.localConf ?? loadShim());
    for (const [name, project] of Object.entries(projects)) this.writeProject(name, project);
  }

  private writeProject(name: string, project: TrapProject): void {
    const dir = join(this.dir, 'projects', name);
    mkdirSync(dir, { recursive: true });
    const script = (key: string, text: string | undefined) =>
      text === undefined ? [] : [`${key}: |`, ...text.split('\n').map((line) => `  ${line}`)];
    const config = [
      `version: '1'`,
      `filename: '[% project %].txt'`,
      ...(project.resume === null ? [] : ['var:', `  resume: '${project.resume ?? 'rerun'}'`]),
      'input_files:',
      '  - filename: container-image_small.tar',
      ...(project.dependsOn ?? []).flatMap((other) => [`  - project: ${other}`, `    name: ${other}`]),
      ...script('pre', project.pre),
      ...script('post', project.post),
      project.config ?? '',
      '',
    ];
    writeFileSync(join(dir, 'config'), config.join('\n'));
    const head = project.isWhole ? '' : '#!/bin/bash\nset -e\n';
    writeFileSync(join(dir, 'build'), `${head}${project.build}\n`);
  }

  get rbmProgram(): string {
    return join(this.rbm.dir, 'rbm');
  }

  /** The command that is tested. */
  get commandLine(): readonly [string, string] {
    return command;
  }

  get store(): string {
    return join(this.dir, 'resume');
  }

  /** Starts a program in the workspace and collects what it prints. */
  start(argv: readonly [string, ...string[]], env: Record<string, string> = {}): Running {
    const [program, ...args] = argv;
    const child = spawn(program, args, {
      cwd: this.dir,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Running(child);
  }

  build(project: string, env: Record<string, string> = {}): Running {
    return this.start([this.rbmProgram, 'build', project], { RBM_NO_DEBUG: '1', ...env });
  }

  /** `rbm-resume run OPTIONS -- rbm build PROJECT`. */
  run(project: string, options: readonly string[] = [], env: Record<string, string> = {}): Running {
    return this.start([...command, 'run', ...options, '--', this.rbmProgram, 'build', project], env);
  }

  /** Any other verb of the command, to its end. */
  command(...args: string[]): Promise<Finished> {
    return this.start([...command, ...args]).ended;
  }

  async json<T>(...args: string[]): Promise<T> {
    const { output, status } = await this.command(...args, '--json');
    if (status !== 0) throw new Error(`rbm-resume ${args.join(' ')}: ${status}\n${output}`);
    return JSON.parse(output) as T;
  }

  output(project: string): string | null {
    const file = join(this.dir, 'out', project, `${project}.txt`);
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  }

  log(project: string): string {
    const file = join(this.dir, 'logs', `${project}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Waits until the log of a project holds a text. */
  async untilLogged(project: string, text: string, seconds = 60): Promise<void> {
    await until(
      () => this.log(project).includes(text),
      `"${text}" in the log of ${project}:\n${this.log(project)}`,
      seconds,
    );
  }

  /** The containers that lie in rbm's temporary folder. */
  containers(): string[] {
    const tmp = join(this.dir, 'tmp');
    if (!existsSync(tmp)) return [];
    return readdirSync(tmp).flatMap((name) => {
      const dir = join(tmp, name, 'rbm-containers');
      return existsSync(dir) ? readdirSync(dir).map((id) => join(dir, id)) : [];
    });
  }

  /** The hashes that are parked, as directories. */
  parked(): string[] {
    const dir = join(this.store, '.rbm-resume', 'parked');
    return existsSync(dir) ? readdirSync(dir) : [];
  }

  /** The files of the layers of each snapshot, the oldest generation first. */
  layersOfSnapshots(): string[][] {
    const read = (path: string): unknown => JSON.parse(readFileSync(join(this.store, path), 'utf8'));
    const index = read('index.json') as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    const generation = ({ annotations }: (typeof index.manifests)[number]) =>
      Number(annotations['org.rbm-resume.generation']);
    return index.manifests
      .sort((a, b) => generation(a) - generation(b))
      .map(({ digest }) => read(`blobs/${digest.replace(':', '/')}`) as { layers: { digest: string }[] })
      .map(({ layers }) => layers.map(({ digest }) => join(this.store, 'blobs', digest.replace(':', '/'))));
  }

  async remove(): Promise<void> {
    for (const hash of this.parked()) await this.command('remove', hash);
    await this.command('prune');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const command = [process.execPath, join(packageDir, 'dist', 'cli', 'main.js')] as const;

/** A program that a test has started. */
export class Running {
  private text = '';
  private printed = '';
  readonly ended: Promise<Finished>;

  constructor(readonly child: ChildProcess) {
    const collect = (chunk: Buffer) => {
      this.text += chunk.toString();
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      this.printed += chunk.toString();
      collect(chunk);
    });
    child.stderr?.on('data', collect);
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) =>
        resolve({ status, signal, output: this.text, stdout: this.printed }),
      );
    });
  }

  get output(): string {
    return this.text;
  }
}

/** Polls until a condition holds; fails with what was waited for. */
export async function until(isTrue: () => boolean, what: string, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) if (isTrue()) return;
  throw new Error(`waited ${seconds} s in vain for ${what}`);
}
