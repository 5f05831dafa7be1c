import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { judgeDisk, readPlace, tmpDirOf, type Place } from '../../lib/setup/doctor/disk.js';
import { examine } from '../../lib/setup/doctor/examine.js';
import { judgeHost, readHostFacts, type HostFacts } from '../../lib/setup/doctor/host.js';
import { judgeIdRanges } from '../../lib/setup/doctor/id-ranges.js';
import { told } from './findings.js';
import { root } from './init-workspace.js';

describe('doctor and the host', () => {
  const setuid = { path: '/usr/bin/x', isSetuid: true, hasCapability: false };
  const well: HostFacts = {
    isRoot: false,
    sysctls: {
      'kernel.unprivileged_userns_clone': null,
      'kernel.apparmor_restrict_unprivileged_userns': null,
      'user.max_user_namespaces': '96365',
    },
    mapPrograms: { newuidmap: setuid, newgidmap: setuid },
    mapTrial: null,
    capabilityTrial: null,
  };
  const withSysctl = (name: keyof HostFacts['sysctls'], value: string, more: Partial<HostFacts> = {}) =>
    judgeHost({ ...well, ...more, sysctls: { ...well.sysctls, [name]: value } });
  const denied = { message: 'Operation not permitted', cure: null };

  it('finds this one fit, by trying', async () => {
    const findings = judgeHost(await readHostFacts());
    assert.match(told(findings, 'user-namespaces'), /^ok: /);
    assert.match(told(findings, 'newuidmap'), /^ok: \/\S*newuidmap /);
  });

  it('says nothing of switches that the kernel has not', () => {
    const findings = judgeHost(well);
    assert.deepEqual(
      findings.map(({ check, status }) => `${check} ${status}`),
      ['user-namespaces ok', 'newuidmap ok', 'newgidmap ok'],
    );
  });

  it('tells why the id map could not be made', () => {
    assert.match(
      told(judgeHost({ ...well, mapTrial: denied }), 'user-namespaces'),
      /^problem: .*not permitted => Look/,
    );
    const cured = { message: 'no range', cure: 'Add a line' };
    assert.match(told(judgeHost({ ...well, mapTrial: cured }), 'user-namespaces'), /=> Add a line$/);
  });

  it('sees a user namespace without rights', () => {
    assert.match(
      told(judgeHost({ ...well, capabilityTrial: denied }), 'user-namespaces'),
      /^problem: .*no rights/,
    );
  });

  it('judges the switches of Debian and of all kernels', () => {
    const debian = 'kernel.unprivileged_userns_clone';
    assert.match(
      told(withSysctl(debian, '0'), debian),
      /^problem: .* => sysctl -w kernel\.unprivileged_userns_clone=1$/,
    );
    assert.match(told(withSysctl(debian, '1'), debian), /^ok: /);
    assert.ok(withSysctl(debian, '0', { isRoot: true }).every(({ check }) => check !== debian));
    const all = 'user.max_user_namespaces';
    assert.match(told(withSysctl(all, '0', { isRoot: true }), all), /^problem: /);
  });

  it('judges the switch of AppArmor by the trial', () => {
    const name = 'kernel.apparmor_restrict_unprivileged_userns';
    assert.match(told(withSysctl(name, '0'), name), /^ok: /);
    assert.match(told(withSysctl(name, '1'), name), /^warning: .*perl.* => sysctl -w \S+=0$/);
    assert.match(told(withSysctl(name, '1', { capabilityTrial: denied }), name), /^problem: /);
    assert.ok(withSysctl(name, '1', { isRoot: true }).every(({ check }) => check !== name));
  });

  it('wants the setuid bit or the capability on newuidmap and newgidmap', () => {
    const judge = (
      program: Partial<typeof setuid> | { path: null } | { hasCapability: null },
      isRoot = false,
    ) =>
      told(
        judgeHost({
          ...well,
          isRoot,
          mapPrograms: { newuidmap: setuid, newgidmap: { ...setuid, isSetuid: false, ...program } },
        }),
        'newgidmap',
      );
    assert.match(judge({ path: null }), /^problem: .* => apt-get install uidmap$/);
    assert.match(judge({}), /^problem: .*neither/);
    assert.match(judge({}, true), /^ok: /);
    assert.match(judge({ hasCapability: true }), /^ok: .*capability/);
    assert.match(judge({ hasCapability: null }), /^warning: .*getcap => apt-get install libcap2-bin$/);
  });
});

describe('doctor and id ranges', () => {
  const user = { name: 'ada', uid: 1001 };
  const judge = (subuid: string | null) =>
    told(judgeIdRanges({ user, subuid, subgid: 'ada:1:65536\n' }), 'subuid');

  it('takes a range by name or by number', () => {
    assert.match(judge('bob:100000:65536\nada:165536:65536\n'), /^ok: .*ada:165536:65536 =>/);
    assert.match(judge('1001:165536:70000\n'), /^ok: /);
  });

  it('misses a range, and proposes one that is free', () => {
    assert.equal(
      judge('bob:100000:65536\nadam:165536:65536\n'),
      'problem: /etc/subuid has no range of ids for ada => Add the line ada:231072:65536 to /etc/subuid.',
    );
    assert.match(judge(null), /^problem: .*can't be read => Add the line ada:100000:65536/);
    assert.match(judge('ada:nonsense\n'), /^problem: .*no range/);
  });

  it('warns of a range that is too small', () => {
    assert.match(
      judge('ada:100000:65535\n'),
      /^warning: .*65535 ids .*=> Change that line of \/etc\/subuid to ada:165535:65536/,
    );
  });

  it('says which of several lines rbm uses', () => {
    assert.match(
      judge('ada:100000:65536\nada:300000:65536\n'),
      /^ok: .*ada:100000:65536, the first of its 2 lines/,
    );
    assert.match(judge('ada:100000:10\nada:300000:65536\n'), /^warning: .*10 ids.*=> Move the line/);
  });

  it('warns of an overlap with another user', () => {
    assert.match(judge('ada:100000:65536\nbob:165535:65536\n'), /^warning: .*overlaps that of bob/);
    assert.match(judge('ada:100000:65536\nbob:165536:65536\n'), /^ok: /);
    assert.match(judge('ada:100000:65536\nada:100000:65536\n'), /^ok: /);
  });

  it('looks into both files', () => {
    const findings = judgeIdRanges({ user, subuid: 'ada:1:65536', subgid: 'bob:1:65536' });
    assert.deepEqual(
      findings.map(({ check, status }) => `${check} ${status}`),
      ['subuid ok', 'subgid problem'],
    );
  });
});

describe('doctor and the disk', () => {
  const roomy: Place = { path: '/a', device: 1, freeBytes: 50 * 2 ** 30, freeInodes: 0.5, isWritable: true };
  const judge = (tmpDir: Place | null, store: Place | null = { ...roomy, path: '/b' }) =>
    judgeDisk({ tmpDir, store });

  it('measures a folder that is not there yet by the one above', async () => {
    const [there, later] = [await readPlace(root), await readPlace(join(root, 'not', 'yet'))];
    assert.equal(later.device, there.device);
    assert.ok(there.freeBytes > 0 && there.freeInodes !== 0);
  });

  it('warns below 10 GiB or 5% of the inodes', () => {
    assert.match(told(judge(roomy), 'disk/tmp_dir'), /^ok: \/a: 50\.0 GiB free, 50% of the inodes/);
    const few = { ...roomy, freeBytes: 10 * 2 ** 30 - 1 };
    assert.match(told(judge(few), 'disk/tmp_dir'), /^warning: .* => Make room/);
    assert.match(
      told(judge(roomy, { ...roomy, freeInodes: 0.049 }), 'disk/store'),
      /^warning: .*4\.9% of the inodes/,
    );
    assert.match(
      told(judge(roomy, { ...roomy, freeInodes: null }), 'disk/store'),
      /^ok: \/a: 50\.0 GiB free =>/,
    );
  });

  it('has a problem with a folder that this user may not write', async () => {
    assert.match(
      told(judge(roomy, { ...roomy, path: '/b', isWritable: false }), 'disk/store'),
      /^problem: \/b can't be written by this user => Give it to/,
    );
    assert.equal((await readPlace('/usr')).isWritable, process.getuid?.() === 0);
    assert.equal((await readPlace(join(root, 'not', 'yet'))).isWritable, true);
  });

  it('warns of a store on another file system', () => {
    assert.match(told(judge(roomy), 'same-file-system'), /^ok: /);
    assert.match(told(judge(roomy, { ...roomy, device: 2 }), 'same-file-system'), /^warning: .*copies/);
    assert.deepEqual(judge(null, null), []);
  });

  it('finds tmp_dir in the configuration', () => {
    const find = (...configs: { tmp_dir?: unknown }[]) =>
      tmpDirOf('/w', { configs, env: { TMPDIR: '/var/tmp' } });
    assert.equal(find({ tmp_dir: '/fast' }, { tmp_dir: '/slow' }), '/fast');
    assert.equal(find({}, { tmp_dir: '[% c("basedir") %]/tmp' }), '/w/tmp');
    assert.equal(find({}, { tmp_dir: "[%- c('basedir') -%]/a tmp" }), '/w/a tmp');
    assert.equal(find({}, { tmp_dir: '[% c("var/x") %]' }), null);
    assert.equal(find({}, {}), '/var/tmp');
    assert.equal(tmpDirOf('/w', { configs: [], env: {} }), '/tmp');
    const configs = [{ tmp_dir: '[% c("basedir") %]/tmp' }];
    assert.equal(tmpDirOf('/w$&', { configs, env: {} }), '/w$&/tmp');
  });
});

describe('doctor', () => {
  it('leaves the workspace out where there is none', async () => {
    const findings = await examine({ workspace: null, store: null, env: { PATH: '/nowhere' } });
    assert.match(told(findings, 'workspace'), /^ok: not in a workspace/);
    assert.match(told(findings, 'rbm'), /^warning: no rbm/);
    assert.ok(findings.every(({ check }) => !/^(disk|local-conf|resume-values|same)/.test(check)));
  });
});
