import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRemote, type Remote } from '../../lib/registry/remote.js';
import { filesBelow } from '../store/oci-images.js';

export interface RegistryOptions {
  /** Where its blobs lie. @default a folder of its own */
  readonly storage?: string;
  /** `USER:BCRYPT` of those who may come in. @default everybody */
  readonly htpasswd?: string;
  /** @default true */
  readonly mayDelete?: boolean;
}

/** Debian's docker-registry on a port of its own, with its storage in a temporary folder. */
export class TestRegistry {
  private constructor(
    readonly dir: string,
    readonly storage: string,
    readonly port: number,
    readonly process: ChildProcess,
  ) {}

  static async start(options: RegistryOptions = {}): Promise<TestRegistry> {
    const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-registry-'));
    const storage = options.storage ?? join(dir, 'storage');
    mkdirSync(storage, { recursive: true });
    const port = await freePort();
    const config = {
      version: '0.1',
      log: { level: 'error' },
      storage: {
        filesystem: { rootdirectory: storage },
        delete: { enabled: options.mayDelete ?? true },
        maintenance: { uploadpurging: { enabled: false } },
      },
      http: { addr: `127.0.0.1:${port}`, secret: 'of a test' },
      ...(options.htpasswd === undefined
        ? {}
        : { auth: { htpasswd: { realm: 'test', path: join(dir, 'htpasswd') } } }),
    };
    if (options.htpasswd !== undefined) writeFileSync(join(dir, 'htpasswd'), `${options.htpasswd}\n`);
    writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
    const log = openSync(join(dir, 'log'), 'w');
    const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const registry = new TestRegistry(dir, storage, port, child);
    await registry.untilUp();
    return registry;
  }

  private async untilUp(): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      this.process.once('error', reject);
      this.process.once('exit', (status) => reject(new Error(`docker-registry: ${status}\n${this.log}`)));
    });
    const up = (async () => {
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${this.port}/v2/`).catch(() => null);
        if (answer !== null) return;
        await sleep(20);
      }
    })();
    await Promise.race([up, failed]);
    this.process.removeAllListeners('exit');
    failed.catch(() => {});
  }

  /** The repository that tests use. */
  get remote(): Remote {
    return parseRemote(this.url, { tlsVerify: false });
  }

  get url(): string {
    return `oci://127.0.0.1:${this.port}/builds/snapshots`;
  }

  get log(): string {
    return readFileSync(join(this.dir, 'log'), 'latin1');
  }

  /** The requests that it has answered, such as `GET /v2/…`. */
  get requests(): string[] {
    return [...this.log.matchAll(/"((?:GET|HEAD|PUT|POST|PATCH|DELETE) [^ "]+) HTTP/g)].map(
      ([, one]) => one ?? '',
    );
  }

  /** The bytes of all that it has handed out. */
  get bytesServed(): number {
    return [...this.log.matchAll(/"GET [^"]+" 200 (\d+) /g)].reduce(
      (sum, [, bytes]) => sum + Number(bytes),
      0,
    );
  }

  /** The bytes of all that it holds. */
  get bytesHeld(): number {
    return this.blobs.reduce((sum, digest) => sum + statSync(this.blobFile(digest)).size, 0);
  }

  /** The digests of the blobs that it holds, of all repositories. */
  get blobs(): string[] {
    const dir = join(this.storage, 'docker/registry/v2/blobs');
    if (!existsSync(dir)) return [];
    return filesBelow(dir)
      .flatMap((line) => /([0-9a-f]{64})\/data\b/.exec(line)?.[1] ?? [])
      .map((hex) => `sha256:${hex}`)
      .sort();
  }

  /** The file of a blob. */
  blobFile(digest: string): string {
    const hex = digest.replace('sha256:', '');
    return join(this.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  }

  /** Runs skopeo on it, which must succeed. */
  skopeo(...args: string[]): string {
    const { status, stdout, stderr, error } = spawnSync('skopeo', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`skopeo ${args.join(' ')}: ${error?.message ?? stderr}`);
    return stdout;
  }

  /** The manifest under a tag, as skopeo prints it. */
  rawManifest(tag: string): string {
    return this.skopeo('inspect', '--raw', '--tls-verify=false', this.docker(tag));
  }

  docker(tag: string): string {
    return `docker://${this.remote.repository}:${tag}`;
  }

  tags(): string[] {
    const answer = spawnSync('skopeo', [
      'list-tags',
      '--tls-verify=false',
      `docker://${this.remote.repository}`,
    ]);
    if (answer.status !== 0) return [];
    return (JSON.parse(answer.stdout.toString()) as { Tags: string[] | null }).Tags ?? [];
  }

  /** Ends it at once, and removes what it has. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true });
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
