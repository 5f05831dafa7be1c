import type { ProveReport } from '../../lib/prove/report.js';
import type { Report } from '../../lib/report/report.js';
import type { ReportedBuild, ReportedDelta, ReportedLeg } from '../../lib/report/reported.js';
import { buildOf, planOf } from '../plan/plans.js';

/** What nothing may come through as. */
export const EVIL = `<script>alert("1")</script><img src='//evil.example/x' onerror=y>\`|\u202e\u0007[a](http://evil.example)`;

export const legOf = (number: number, more: Partial<ReportedLeg> = {}): ReportedLeg => ({
  number,
  startedAt: new Date(Date.UTC(2026, 10, 20, number * 6)).toISOString(),
  endedAt: new Date(Date.UTC(2026, 10, 20, number * 6 + 5, 12)).toISOString(),
  seconds: 5.2 * 3600,
  fate: 'kept',
  stoppedIn: 'build',
  place: `in statement ${number} of 22 (line 5${number}): make -j8 --output-sync=target all install`,
  escalation: 'SIGINT',
  removedFiles: 0,
  jobClass: 'branch',
  builder: null,
  isResumed: number > 1,
  from: number > 1 ? { generation: number - 1, digest: `sha256:${'1'.repeat(64)}`, signedBy: null } : null,
  ...more,
});

export const deltaOf = (number: number, size: number): ReportedDelta => ({
  number,
  size,
  diffSize: size * 4,
  legs: number,
  folders: [
    { path: `/var/tmp/build/obj-${number}`, bytes: size * 2, files: 120, isRest: false },
    { path: '/var/tmp/dist', bytes: size, files: 9, isRest: false },
    { path: '/', bytes: Math.round(size / 2), files: 3, isRest: true },
  ],
});

export const buildWith = (
  legs: readonly ReportedLeg[],
  more: Partial<ReportedBuild> = {},
): ReportedBuild => ({
  project: 'clang',
  version: '17.0.6',
  step: 'build',
  targets: ['release', 'linux-x86_64'],
  hash: 'ab'.repeat(32),
  state: 'snapshot',
  legs,
  snapshot: null,
  ...more,
});

export const proofOf = (more: Partial<ProveReport> = {}): ProveReport => ({
  project: 'clang',
  command: ['./rbm/rbm', 'build', 'clang'],
  seed: 42,
  verdict: 'equal',
  remark: null,
  uninterrupted: null,
  runs: [
    {
      number: 1,
      passage: 'snapshots',
      verdict: 'equal',
      remark: null,
      plannedInterruptions: 2,
      interruptions: [{ afterSeconds: 1.25, statement: { index: 3, of: 9 } }],
      scriptSeconds: 4,
      statementsRedone: null,
      compileCommandsRedone: 2,
      extraCpuSeconds: 0.5,
      redoneCpuSeconds: 0.2,
      resumingCpuSeconds: 0.3,
      outputs: [],
      differences: [],
      outputDir: null,
      diffoscope: null,
    },
  ],
  isReproducible: null,
  workDir: null,
  exitStatus: 0,
  ...more,
});

/** Twelve legs of one build, of which one was lost, and one of another that has finished. */
export const bigReport = (): Report => ({
  project: null,
  builds: [
    buildWith(
      Array.from({ length: 12 }, (_, index) =>
        legOf(
          index + 1,
          [
            {},
            { escalation: 'SIGTERM' as const },
            { fate: 'lost' as const },
            { escalation: 'SIGKILL' as const, removedFiles: 3 },
          ][index % 4],
        ),
      ),
      {
        snapshot: {
          generation: 12,
          digest: `sha256:${'2'.repeat(64)}`,
          createdAt: '2026-11-23T05:12:00.000Z',
          size: 620e6,
          baseSize: 180e6,
          deltas: [90e6, 200e6, 50e6, 70e6, 28e6, 2e6].map((size, index) => deltaOf(index + 1, size)),
        },
      },
    ),
    buildWith(
      [
        legOf(2, { number: 1, endedAt: null, seconds: null, stoppedIn: null, place: null, escalation: null }),
        legOf(5, { number: 2, fate: 'finished', stoppedIn: null, place: null, escalation: null }),
      ],
      { project: 'rust', version: null, hash: 'cd'.repeat(32), state: 'finished' },
    ),
  ],
  plan: planOf([
    buildOf('image', { state: 'built' }),
    buildOf('clang', { state: 'kept', needs: ['image'] }),
    buildOf('rust', { needs: ['clang', 'image'] }),
    buildOf('browser', { needs: ['rust', 'clang'] }),
  ]),
  proofs: [proofOf()],
  outputs: [{ name: 'rust-1.80.tar.zst', sha256: 'e'.repeat(64), resumed: true, legs: 2 }],
  troubles: [],
});

/** One leg, and nothing else. */
export const smallReport = (): Report => ({
  project: 'clang',
  builds: [buildWith([legOf(1)], { state: 'parked' })],
  plan: null,
  proofs: [],
  outputs: [],
  troubles: [],
});

/** All text in it that comes from outside is meant badly. */
export function evilReport(): Report {
  const report = bigReport();
  const [build] = report.builds;
  const evilLeg = legOf(1, { stoppedIn: EVIL, place: EVIL, jobClass: EVIL, builder: EVIL });
  const snapshot = build?.snapshot;
  return {
    project: EVIL,
    builds: [
      buildWith(
        [
          { ...evilLeg, startedAt: EVIL, endedAt: EVIL },
          { ...evilLeg, from: { generation: 1, digest: EVIL, signedBy: EVIL } },
        ],
        {
          ...{ project: EVIL, version: EVIL, step: EVIL, targets: [EVIL], hash: EVIL },
          snapshot: snapshot
            ? {
                ...snapshot,
                ...{ digest: EVIL, createdAt: EVIL },
                deltas: [
                  { ...deltaOf(1, 5e6), folders: [{ path: EVIL, bytes: 10, files: 1, isRest: false }] },
                ],
              }
            : null,
        },
      ),
    ],
    plan: planOf([buildOf(EVIL, { unknown: [EVIL], output: EVIL, filename: EVIL, step: EVIL })]),
    proofs: [proofOf({ project: EVIL, command: [EVIL], verdict: 'failed', remark: EVIL, workDir: EVIL })],
    outputs: [{ name: EVIL, sha256: 'e'.repeat(64), resumed: null, legs: null }],
    troubles: [EVIL],
  };
}
