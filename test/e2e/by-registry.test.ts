import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { assertNoUnitTwice, count, packedLeg, tenUnits, wholeOutput } from '../rbm/ten-units.js';
import { TrapWorkspace } from '../rbm/trap-workspace.js';
import { rbmsUnderTest, testRoot } from '../rbm/workspace.js';
import { TestRegistry } from '../registry/registry.js';
import { makeSigner } from '../trust/signers.js';

const ci = makeSigner('ci');

for (const rbm of rbmsUnderTest()) {
  describe(`a build of ${rbm.name} that goes on by a registry alone`, { timeout: 600_000 }, () => {
    const workspaces: TrapWorkspace[] = [];
    let registry: TestRegistry;
    let secrets: string;
    before(async () => {
      registry = await TestRegistry.start();
      secrets = mkdtempSync(join(testRoot(), 'rbm-resume-policies-'));
    });
    after(async () => {
      await registry.stop();
      rmSync(secrets, { recursive: true });
    });
    afterEach(async () => {
      for (const workspace of workspaces.splice(0)) await workspace.remove();
    });
    const make = (conf = ''): TrapWorkspace => {
      const workspace = new TrapWorkspace(rbm, { units: { build: tenUnits } }, { conf });
      workspaces.push(workspace);
      return workspace;
    };

    it('finishes with the output of an uninterrupted build, whatever the registry was like, and leaves nothing there', async () => {
      const policy = join(secrets, 'policy.yml');
      const keys = [{ name: 'ci', public_key: ci.publicPem, classes: ['branch'] }];
      writeFileSync(policy, stringify({ format: 1, keys }));
      const conf = (url: string) =>
        `var:\n  resume_remote: '${url}'\n  resume_policy: '${policy}'\n  resume_class: branch`;
      const first = make(conf('oci://127.0.0.1:1/builds'));
      const second = make(conf(registry.url));
      const options = ['--tls-verify', 'false', '--sign-key', ci.privateFile];

      // A leg without a registry: the build goes on, is kept and packed, and the status says that the next machine has nothing.
      const alone = first.run('units', ['--pack', ...options]);
      await first.untilLogged('units', 'DONE');
      alone.child.kill('SIGTERM');
      const { status, output } = await alone.ended;
      assert.equal(status, 74, output);
      assert.match(output, /nothing was pulled, and the build goes on without: .*connection refused/);
      assert.match(
        output,
        /packed [0-9a-f]{16}@1[^]*cannot ask oci:\/\/127\.0\.0\.1:1\/builds: .* \[REMOTE_FAILED\]/,
      );

      const said = await packedLeg(first, ['--remote', registry.url, ...options]);
      assert.match(said, /pushed \w{16}@2 \(units\) as branch-[0-9a-f]{64}/);
      assert.equal(registry.tags().length, 2);
      const sizeOf = (blob: string) => statSync(registry.blobFile(blob)).size;
      const [image] = registry.blobs.sort((a, b) => sizeOf(b) - sizeOf(a));

      const last = await second.build('units', { RBM_RESUME_TLS_VERIFY: 'false' }).ended;
      assert.equal(last.status, 0, last.output);
      assert.match(second.log('units'), /goes on in the snapshot of .* \(generation 2\), after 2 leg/);
      assert.equal(second.output('units'), wholeOutput);
      const fetched = registry.requests.filter((one) => /^GET .*blobs/.test(one)).join('\n');
      assert.ok(fetched !== '' && !fetched.includes(String(image)), 'the image is at hand');
      assertNoUnitTwice(first.log('units') + second.log('units'));
      assert.ok(count(first.log('units'), /DONE/g) >= 3);
      assert.deepEqual(registry.tags(), []);
      const { snapshots } = await second.json<{ snapshots: unknown[] }>('list');
      assert.deepEqual(snapshots, []);
    });
  });
}
