import prettyBytes from 'pretty-bytes';
import prettyMs from 'pretty-ms';
import type { Report } from './report.js';
import type {
  ReportedBuild,
  ReportedDelta,
  ReportedFolder,
  ReportedLeg,
  ReportedOutput,
  ReportedSnapshot,
} from './reported.js';

/** In 1024s: `1.21 MiB`. */
export const tellBytes = (bytes: number): string => prettyBytes(bytes, { binary: true });

/** `5h 12m 3s`. */
export const tellSeconds = (seconds: number | null): string =>
  seconds === null ? 'not recorded' : prettyMs(Math.round(seconds) * 1000);

/** To the second, in UTC: `2026-11-28T09:50:58Z`; as it is where it is no time. */
export function tellTime(time: string | null): string {
  if (time === null) return 'not recorded';
  const moment = Date.parse(time);
  return Number.isNaN(moment) ? time : new Date(moment).toISOString().replace(/\.\d+Z$/, 'Z');
}

export const tellCount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** `clang 17.0 build (release linux-x86_64)`. */
export function titleOf({ project, version, step, targets }: ReportedBuild): string {
  const names = [project, version ?? '', step === 'build' ? '' : (step ?? '')].filter(Boolean);
  return `${names.join(' ')}${targets.length === 0 ? '' : ` (${targets.join(' ')})`}`;
}

export const STATES: Readonly<Record<ReportedBuild['state'], string>> = {
  parked: 'interrupted; the next build goes on in the tree that is parked on this machine',
  snapshot: 'interrupted; the next build tries its newest snapshot',
  'set-aside': 'what was kept is set aside; the next build starts clean',
  finished: 'finished',
};

export const FATES: Readonly<Record<ReportedLeg['fate'], string>> = {
  kept: 'interrupted, work kept',
  finished: 'made the output',
  lost: 'work not used further',
};

/** Where a leg was interrupted. */
export function tellStop({ fate, endedAt, stoppedIn, place }: ReportedLeg): string {
  if (fate === 'finished') return 'not interrupted';
  if (endedAt === null) return 'not recorded';
  if (stoppedIn === null) return 'while no script was running';
  return place === null ? stoppedIn : `${stoppedIn}, ${place}`;
}

/** What the leg after this one does again, as far as its record tells (docs/design.md, "Going on at the statement"). */
export function tellRedone(leg: ReportedLeg): string {
  const { fate, endedAt, stoppedIn, place, removedFiles } = leg;
  if (fate === 'finished') return 'nothing';
  if (fate === 'lost') return 'all of this leg';
  if (endedAt === null) return 'not recorded';
  const again =
    stoppedIn === null
      ? 'nothing'
      : place === null
        ? `${stoppedIn} from its first line`
        : place.startsWith('before ')
          ? 'nothing: it stood between two statements'
          : 'the statement in which it was interrupted';
  return removedFiles === 0
    ? again
    : `${again}; ${tellCount(removedFiles, 'file')} that a killed process was writing`;
}

/** Of which class its job was, and which. */
export const tellJob = ({ jobClass, builder }: ReportedLeg): string =>
  [jobClass, builder].filter((one) => one !== null).join(', ') || '–';

/** In what a leg began. */
export function tellOrigin({ isResumed, from }: ReportedLeg): string {
  if (!isResumed) return 'a clean container';
  if (from === null) return 'a parked tree';
  return `above snapshot @${from.generation}${from.signedBy === null ? '' : ` (signed: ${from.signedBy})`}`;
}

export const tellSnapshot = ({ generation, size, baseSize, deltas }: ReportedSnapshot): string =>
  `Snapshot @${generation}: ${tellBytes(size)} in the store, of which ` +
  (baseSize === null
    ? 'all is deltas: it was packed without the container image'
    : `${tellBytes(baseSize)} container image and ${tellBytes(size - baseSize)} in ${tellCount(deltas.length, 'delta')}`);

/** A sentence on all of it. */
export function summarize({ builds }: Report): string {
  const legs = builds.flatMap((build) => build.legs);
  if (legs.length === 0) return 'No legs are recorded.';
  const known = legs.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const unknown = legs.filter(({ seconds }) => seconds === null).length;
  const lost = legs.filter(({ fate }) => fate === 'lost').length;
  const finished = builds.filter(({ state }) => state === 'finished').length;
  return [
    `${tellCount(builds.length, 'build')}, ${finished} finished; ${tellCount(legs.length, 'leg')}, ${tellSeconds(known)} of work`,
    unknown === 0 ? '' : ` beside ${tellCount(unknown, 'leg')} of unknown length`,
    lost === 0 ? '' : `; the work of ${tellCount(lost, 'leg')} is not used further`,
    '.',
  ].join('');
}

/** What is not there, and how it would be. */
export function leftOut({ builds, plan, proofs, outputs }: Report): string[] {
  const hasDeltas = builds.some(({ snapshot }) => snapshot !== null);
  return [
    ...(builds.length > 0
      ? []
      : ['Legs: the store has no interrupted build; of finished ones give --provenance FILE.']),
    ...(plan !== null
      ? []
      : ['Project graph: give --plan FILE (of `rbm-resume plan --json`), or PROJECT with --target.']),
    ...(hasDeltas
      ? []
      : ['Deltas: no snapshot is in the store; `run --pack` or `rbm-resume pack --all` makes them.']),
    ...(proofs.length > 0 ? [] : ['Proofs: give --prove FILE (of `rbm-resume prove --json`).']),
    ...(outputs.length > 0
      ? []
      : ['Outputs: give --provenance FILE|DIR (written where var/resume_provenance is set).']),
  ];
}

/** Those that are worth a place in a row. */
export const largestFolders = ({ folders }: ReportedDelta): ReportedFolder[] =>
  [...folders].sort((a, b) => b.bytes - a.bytes).slice(0, 3);

export function tellHowBuilt({ resumed, legs }: ReportedOutput): string {
  if (resumed === null) return 'not recorded';
  return resumed ? `resumed, ${legs === null ? 'several legs' : tellCount(legs, 'leg')}` : 'in one go';
}
