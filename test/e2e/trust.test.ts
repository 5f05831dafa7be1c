import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { sha256Hex } from '../../lib/digest.js';
import { assertNoUnitTwice, count, packedLeg, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest, testRoot } from '../rbm/workspace.js';
import { makeSigner } from '../trust/signers.js';

const secrets = mkdtempSync(join(testRoot(), 'rbm-resume-policies-'));
after(() => rmSync(secrets, { recursive: true }));
const [ci, stranger] = [makeSigner('ci'), makeSigner('stranger')];
const policyText = (more = {}) =>
  stringify({
    format: 1,
    keys: [{ name: 'ci', public_key: ci.publicPem, classes: ['branch', 'protected', 'release'] }],
    ...more,
  });
const policy = join(secrets, 'policy.yml');
writeFileSync(policy, policyText());

/** Looks for a private key wherever a build can look, and plants one itself, to see that it would be found. */
const seek = `
printf -- '-----BEGIN %s KEY-----\\n' PRIVATE > /var/tmp/planted
{
  grep -lsa -e 'BEGIN P[R]IVATE KEY' /proc/[0-9]*/environ /proc/[0-9]*/cmdline || true
  grep -rlsa -D skip -e 'BEGIN P[R]IVATE KEY' /bin /etc /home /opt /rbm /root /srv /tmp /usr /var || true
  ls -l /proc/[0-9]*/fd 2> /dev/null | grep -e '/ci$' || true
  env | grep -e 'P[R]IVATE' -e SIGN_KEY || true
  tr '\\0' ' ' < /proc/self/environ | grep -e SIGN_KEY || true
} | sed 's/^/FOUND /'
echo SOUGHT
rm /var/tmp/planted
`;

for (const rbm of rbmsUnderTest()) {
  describe(`signed snapshots of a build of ${rbm.name}`, () => {
    const workspaces: TrapWorkspace[] = [];
    const make = (conf = '', before = ''): TrapWorkspace => {
      const workspace = new TrapWorkspace(rbm, { units: { build: before + tenUnits } }, { conf });
      workspaces.push(workspace);
      return workspace;
    };
    afterEach(async () => {
      for (const workspace of workspaces.splice(0)) await workspace.remove();
    });

    const asBranch = ['--class', 'branch', '--policy', policy];
    const signedBy = (signer: typeof ci) => ['--sign-key', signer.privateFile, '--builder', 'job 1'];

    async function exported(from: TrapWorkspace): Promise<string> {
      const dir = join(from.dir, 'exported');
      const { status, output } = await from.command('export', dir);
      assert.equal(status, 0, output);
      return dir;
    }
    async function finish(w: TrapWorkspace, options: readonly string[]): Promise<string> {
      const { status, output } = await w.run('units', options).ended;
      assert.equal(status, 0, output);
      assert.equal(w.output('units'), wholeOutput);
      assert.deepEqual(w.containers(), []);
      return w.log('units');
    }

    it('are taken under a policy, and the build goes on in them; a job of another class takes none', async (t) => {
      const conf = `var:\n  resume_policy: policy.yml\n  resume_class: branch\n  resume_provenance: told/`;
      const [first, second, third] = [make(conf), make(conf), make()];
      for (const w of [first, second]) writeFileSync(join(w.dir, 'policy.yml'), policyText());
      t.after(() => delete process.env.RBM_RESUME_BUILDER);
      process.env.RBM_RESUME_BUILDER = 'first machine';
      await packedLeg(first, signedBy(ci));
      process.env.RBM_RESUME_BUILDER = 'second machine';
      const dir = await exported(first);
      const refused = await third.command('import', dir, '--class', 'protected', '--policy', policy);
      assert.match(refused.output, /refused \w{16}@1 \(units\): it was made by a job of class branch/);
      const imported = await second.command('import', dir);
      assert.match(imported.output, /imported \w{16}@1/, imported.output);
      const log = await finish(second, []);
      assert.match(log, /goes on in the snapshot of .* \(generation 1\)/);
      assertNoUnitTwice(first.log('units') + log);
      assertTold(second, ci.key.keyId);
      const { snapshots } = await second.json<{ snapshots: unknown[] }>('list');
      assert.deepEqual(snapshots, [], 'what its own class has made is dropped after success');
    });

    it('of a stranger are refused at the import, and at the build where somebody has put them into the store', async () => {
      const [first, second] = [make(), make()];
      await packedLeg(first, ['--class', 'branch', ...signedBy(stranger)]);
      const { status, output } = await second.command('import', await exported(first), ...asBranch);
      assert.equal(status, 0, output);
      assert.match(output, /refused \w{16}@1 \(units\): it was signed by nobody whom the policy knows/);
      for (const name of ['index.json', 'oci-layout', 'blobs'])
        cpSync(join(first.store, name), join(second.store, name), { recursive: true });
      const dir = join(second.dir, 'restored');
      const hash = String(first.parked()[0]);
      const restore = await second.command('restore', hash, dir, ...asBranch);
      assert.equal(restore.status, 77, restore.output);
      assert.ok(!existsSync(dir));
      const log = await finish(second, asBranch);
      assert.match(log, /@1 is not used: it was signed by nobody whom the policy knows\n/);
      assert.match(log, /the build starts clean/);
      assert.equal(count(log, /DONE/g), 10);
      const { snapshots } = await second.json<{ snapshots: unknown[] }>('list');
      assert.equal(snapshots.length, 1, 'what a job does not trust is not its own to drop');
    });

    it('are signed with a key that the build can not find, nor any process of rbm inherit', async () => {
      const w = make('', seek);
      const argv = [...w.commandLine, 'run', '--pack', '--class', 'branch', '--sign-key-fd', '3'];
      const script = 'exec "$@" 3< "$KEY"';
      const whole = ['bash', '-c', `KEY=$1; shift; ${script}`, 'bash', ci.privateFile, ...argv] as const;
      const run = w.start([...whole, '--', w.rbmProgram, 'build', 'units']);
      await w.untilLogged('units', 'DONE');
      const below = descendantsOf(Number(run.child.pid));
      assert.ok(below.length > 3, 'rbm runs below it');
      for (const pid of below) assert.deepEqual(tracesOfKey(pid), [], `process ${pid}`);
      // The parent of them has closed it, too.
      assert.deepEqual(
        openFilesOf(Number(run.child.pid)).filter((file) => file === ci.privateFile),
        [],
      );
      run.child.kill('SIGTERM');
      const { status, output } = await run.ended;
      assert.equal(status, 75, output);
      const log = w.log('units');
      assert.match(log, /^SOUGHT$/m);
      assert.deepEqual(log.match(/^FOUND .*/gm), ['FOUND /var/tmp/planted']);
      const other = make('', seek);
      await other.command('import', await exported(w), ...asBranch);
      assert.match(await finish(other, [...asBranch, '--pack', ...signedBy(ci)]), /goes on in the snapshot/);
    });

    it('and parked trees are left alone by a release, which begins clean', async () => {
      const w = make();
      await packedLeg(w, [...asBranch, ...signedBy(ci)]);
      const log = await finish(w, ['--class', 'release', '--policy', policy]);
      assert.match(log, /a release goes on in nothing, .*: the build starts clean/);
      assert.ok(count(log, /DONE/g) >= 12, log);
    });
  });
}

/** The provenance is of this very output, and says what it goes back to. */
function assertTold(w: TrapWorkspace, keyId: string): void {
  const told = JSON.parse(readFileSync(join(w.dir, 'told', 'units.txt.provenance.json'), 'utf8')) as {
    subject: unknown;
    predicateType: string;
    predicate: {
      buildDefinition: {
        internalParameters: {
          resumed: boolean;
          class: string;
          legs: {
            class: string;
            builder: string;
            stoppedIn: string | null;
            from: Record<string, unknown> | null;
          }[];
        };
        resolvedDependencies: { digest: { sha256: string } }[];
      };
    };
  };
  assert.deepEqual(told.subject, [{ name: 'units.txt', digest: { sha256: sha256Hex(wholeOutput) } }]);
  assert.equal(told.predicateType, 'https://slsa.dev/provenance/v1');
  const { internalParameters: build, resolvedDependencies: from } = told.predicate.buildDefinition;
  assert.deepEqual([build.resumed, build.class], [true, 'branch']);
  const [first, last] = build.legs;
  assert.deepEqual([build.legs.length, first?.class, first?.from], [2, 'branch', null]);
  assert.deepEqual(
    [first?.builder, first?.stoppedIn, last?.builder, last?.stoppedIn],
    ['first machine', 'build', 'second machine', null],
  );
  const { digest, generation, class: made, signedBy } = last?.from ?? {};
  assert.deepEqual([last?.class, generation, made, signedBy], ['branch', 1, 'branch', keyId]);
  assert.deepEqual(
    from.map((one) => `sha256:${one.digest.sha256}`),
    [digest],
  );
}

function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended.
    }
  }
  const found = new Set([pid]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child);
  }
  found.delete(pid);
  return [...found];
}

/** Where a process has the key: its environment, its arguments, its open files. */
function tracesOfKey(pid: number): string[] {
  const read = (name: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${name}`, 'latin1');
    } catch {
      return '';
    }
  };
  const secret = readFileSync(ci.privateFile, 'utf8').split('\n')[1] ?? '?';
  return [
    ...['environ', 'cmdline'].filter((name) => {
      const text = read(name);
      return text.includes(secret) || text.includes(ci.privateFile);
    }),
    ...openFilesOf(pid).filter((file) => file === ci.privateFile),
  ];
}

function openFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${name}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
