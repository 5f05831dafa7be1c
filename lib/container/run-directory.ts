import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from './outcome.js';
import { readLines } from '../store/live.js';

/** What became of one container of a run, as the exit hook tells the `run` that waits for it. */
export interface RunEvent {
  readonly project: string;
  readonly hash: string | null;
  readonly outcome: Outcome | 'refused';
  readonly kept: boolean;
  /** Its work was worth keeping and could not be kept: a full disk, say. */
  readonly lost: boolean;
  readonly resumed: boolean;
  /** Seconds of processor time, user and system, that the script of the build's step used; `null` when nobody knows. */
  readonly scriptCpuSeconds: number | null;
  readonly container: string;
  /** The store that it was kept in. */
  readonly store: string;
}

/**
 * The folder through which `rbm-resume run` and the hooks of the rbm below it know of each other. Its path travels in
 * `RBM_RESUME_RUN`; rbm's containers clear their environment, so builds don't see it.
 */
export class RunDirectory {
  constructor(readonly path: string) {}

  static readonly variable = 'RBM_RESUME_RUN';

  static async make(): Promise<RunDirectory> {
    const directory = new RunDirectory(await mkdtemp(join(tmpdir(), 'rbm-resume-run-')));
    await mkdir(directory.containers);
    return directory;
  }

  private get containers(): string {
    return join(this.path, 'containers');
  }

  private get events(): string {
    return join(this.path, 'events');
  }

  private get givenUp(): string {
    return join(this.path, 'given-up');
  }

  private get interrupt(): string {
    return join(this.path, 'interrupt');
  }

  private get loaded(): string {
    return join(this.path, 'loaded');
  }

  /** Whether an rbm below has loaded the shim, which says so here, or whatever builds has called a hook. */
  hasLoadedShim(): boolean {
    return existsSync(this.loaded);
  }

  /** From now on no script of this run is started any more. */
  async askForInterrupt(): Promise<void> {
    await writeFile(this.interrupt, `${new Date().toISOString()}\n`);
  }

  isInterruptAsked(): Promise<boolean> {
    return Promise.resolve(existsSync(this.interrupt));
  }

  /** Says that a container of this run lives, and under which store. */
  async addContainer(id: string, store: string): Promise<void> {
    await writeFile(this.loaded, '');
    await writeFile(join(this.containers, id), `${store}\n`);
  }

  async containerStores(): Promise<{ readonly id: string; readonly store: string }[]> {
    const ids = await readdir(this.containers);
    const found = await Promise.all(
      ids.map(async (id) => ({ id, store: (await readLines(join(this.containers, id)))[0] })),
    );
    return found.flatMap(({ id, store }) => (store === undefined ? [] : [{ id, store }]));
  }

  /** Says that a container is made without us, so nothing interrupts or keeps it, and why. */
  async giveUpContainer(id: string, line: string): Promise<void> {
    await appendFile(this.givenUp, `${line.replaceAll('\n', ' ')}\n`);
    await rm(join(this.containers, id), { force: true });
  }

  /** A line for each container that nothing can interrupt. */
  readGivenUp(): Promise<string[]> {
    return readLines(this.givenUp);
  }

  async endContainer(id: string, event: RunEvent): Promise<void> {
    await appendFile(this.events, `${JSON.stringify(event)}\n`);
    await rm(join(this.containers, id), { force: true });
  }

  async readEvents(): Promise<RunEvent[]> {
    return (await readLines(this.events)).map((line) => JSON.parse(line) as RunEvent);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
