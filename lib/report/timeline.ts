import { html, shorten, type Markup } from './markup.js';
import type { Report } from './report.js';
import type { ReportedBuild, ReportedLeg } from './reported.js';
import { FATES, tellJob, tellOrigin, tellRedone, tellSeconds, tellStop, tellTime, titleOf } from './words.js';

/** In pixels of the picture. */
const WIDTH = 1000;
const LEFT = 150;
const RIGHT = 62;
const HEAD = 34;
const TITLE_ROW = 30;
const LEG_ROW = 36;
const BAR = 13;
/** The narrowest that a bar gets. */
const LEAST = 3;
const MOST_TICKS = 5;
/** Letters of a note below a bar. */
const NOTE_LIMIT = 62;

/** Lengths of time between two ticks, in seconds; whole days follow. */
const STEPS: readonly number[] = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const DAY = 86_400;

interface Scale {
  /** The place of a time (milliseconds of the epoch) on the picture. */
  readonly at: (moment: number) => number;
  readonly ticks: readonly number[];
  /** Seconds from tick to tick. */
  readonly step: number;
}

/** When a leg began and ended, in milliseconds of the epoch; where that is not known it ends as it begins. */
function spanOf({ startedAt, endedAt }: ReportedLeg): readonly [number, number] {
  const [from, to] = [Date.parse(startedAt), Date.parse(endedAt ?? startedAt)];
  if (Number.isNaN(from)) return [NaN, NaN];
  return [from, Number.isNaN(to) || to < from ? from : to];
}

/** A scale on which all legs have room. */
export function scaleOf(legs: readonly ReportedLeg[]): Scale {
  const times = legs.flatMap(spanOf).filter((time) => !Number.isNaN(time));
  const first = times.reduce((a, b) => Math.min(a, b), times[0] ?? 0);
  const last = Math.max(
    times.reduce((a, b) => Math.max(a, b), first),
    first + 1000,
  );
  const seconds = (last - first) / 1000;
  const days = Math.ceil(seconds / DAY / MOST_TICKS);
  const step = STEPS.find((one) => seconds / one <= MOST_TICKS) ?? days * DAY;
  const ticks: number[] = [];
  for (let tick = Math.ceil(first / 1000 / step) * step * 1000; tick <= last; tick += step * 1000)
    ticks.push(tick);
  const room = WIDTH - LEFT - RIGHT;
  // A time that is none stands at the beginning.
  const at = (moment: number): number =>
    LEFT + (Number.isNaN(moment) ? 0 : ((moment - first) / (last - first)) * room);
  return { at, ticks, step };
}

/** The legs of all builds on one axis of time, a row for each. */
export function drawTimeline({ builds }: Pick<Report, 'builds'>): Markup {
  const shown = builds.filter(({ legs }) => legs.length > 0);
  const scale = scaleOf(shown.flatMap(({ legs }) => legs));
  const height = HEAD + shown.reduce((sum, { legs }) => sum + TITLE_ROW + legs.length * LEG_ROW, 0) + 8;
  let y = HEAD;
  const rows: Markup[] = [];
  for (const build of shown) {
    rows.push(titleRow(build, y));
    y += TITLE_ROW;
    for (const leg of build.legs) {
      rows.push(legRow(leg, { y, scale }));
      y += LEG_ROW;
    }
  }
  return html`<svg
    class="timeline"
    viewBox="0 0 ${WIDTH} ${height}"
    width="${WIDTH}"
    height="${height}"
    role="img"
    aria-label="Legs over time, in UTC"
  >
    <defs>
      <pattern id="lost" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="lost-ground" width="6" height="6" />
        <rect class="lost-line" width="2.4" height="6" />
      </pattern>
    </defs>
    ${scale.ticks.map((tick) => tickMark(tick, scale, height))} ${rows}
  </svg>`;
}

function tickMark(tick: number, { at, step }: Scale, height: number): Markup {
  const time = tellTime(new Date(tick).toISOString());
  const label = step % DAY === 0 ? time.slice(0, 10) : step % 60 === 0 ? `${time.slice(0, 16)}Z` : time;
  const x = round(at(tick));
  return html`<line class="grid" x1="${x}" x2="${x}" y1="22" y2="${height}" /><text
      class="tick"
      x="${x}"
      y="15"
      text-anchor="middle"
      >${label}</text
    > `;
}

const titleRow = (build: ReportedBuild, y: number): Markup =>
  html`<text class="build" x="4" y="${y + 20}"
    >${shorten(titleOf(build), 90)}<title>
      ${titleOf(build)}${build.hash === null ? '' : ` ${build.hash}`}
    </title></text
  > `;

function legRow(leg: ReportedLeg, place: { readonly y: number; readonly scale: Scale }): Markup {
  const { y, scale } = place;
  const [from, to] = spanOf(leg);
  const width = Math.max(LEAST, scale.at(to) - scale.at(from));
  const x = Math.min(scale.at(from), WIDTH - RIGHT - width);
  const isLate = x > LEFT + (WIDTH - LEFT - RIGHT) / 2;
  const label = leg.jobClass === null ? `leg ${leg.number}` : `leg ${leg.number} · ${leg.jobClass}`;
  return html`<g class="leg ${leg.fate}"
    ><title>${tooltipOf(leg)}</title>
    <text class="name" x="14" y="${y + 12}">${shorten(label, 20)}</text>
    <rect
      class="bar${leg.endedAt === null ? ' open' : ''}"
      x="${round(x)}"
      y="${y + 2}"
      width="${round(width)}"
      height="${BAR}"
    />${endMark(leg, { x: x + width, y: y + 2 })}
    <text
      class="note"
      x="${round(isLate ? x + width : x)}"
      y="${y + 27}"
      text-anchor="${isLate ? 'end' : 'start'}"
      >${shorten(noteOf(leg), NOTE_LIMIT)}</text
    ></g
  > `;
}

/** How far the interrupt had to go, as a form: a round end, a triangle, a cross. */
function endMark({ escalation }: ReportedLeg, at: { readonly x: number; readonly y: number }): Markup {
  const [x, y, middle] = [round(at.x), at.y, at.y + BAR / 2];
  switch (escalation) {
    case 'SIGINT':
      return html`<circle class="mark" cx="${x}" cy="${middle}" r="4" />`;
    case 'SIGTERM':
      return html`<path class="mark" d="M${x},${y} l5,${BAR} h-10 z" />`;
    case 'SIGKILL':
      return html`<path class="mark cross" d="M${x},${middle} m-5,-5 l10,10 m0,-10 l-10,10" />`;
    case null:
      return html``;
  }
}

const noteOf = (leg: ReportedLeg): string =>
  leg.endedAt === null
    ? 'only its beginning is recorded'
    : `${tellSeconds(leg.seconds)}, ${leg.fate === 'finished' ? 'made the output' : tellStop(leg)}`;

const tooltipOf = (leg: ReportedLeg): string =>
  [
    `leg ${leg.number}: ${FATES[leg.fate]}`,
    `from ${tellTime(leg.startedAt)} to ${tellTime(leg.endedAt)}`,
    `worked: ${tellSeconds(leg.seconds)}`,
    `job: ${tellJob(leg)}`,
    `began in ${tellOrigin(leg)}`,
    `interrupted: ${tellStop(leg)}`,
    `again in the next leg: ${tellRedone(leg)}`,
  ].join('; ');

const round = (value: number): number => Math.round(value * 100) / 100;
