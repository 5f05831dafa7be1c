import { layOut, withoutDetours, type Box, type LayoutNode, type Point } from './layout.js';
import type { Plan, PlannedBuild } from './planned-build.js';
import { describeState, STATE_WORDS, summarizePlan } from './tree.js';

/** Of the letters below, in pixels: a little wider than they are. */
const LETTER_WIDTH = 6.9;
const SMALL_LETTER_WIDTH = 5.9;
const BOX_HEIGHT = 40;
const LINE_LIMIT = 34;
/** Height of the head with title and legend. */
const HEAD = 76;

/** All of it holds below `.plan` alone: the picture may stand in a page with others. */
const STYLE = `
.plan { --text: #1b1f24; --note: #4a5460; --arrow: #8a96a3; --built: #cdeccd; --built-line: #2e7d32; --kept: #fde6b8;
  --kept-line: #a65f00; --to-do: #eef2f7; --to-do-line: #5a6b7d; }
.plan .ground { fill: #ffffff; }
.plan text { font-family: "DejaVu Sans", Verdana, sans-serif; fill: var(--text); }
.plan .title { font-size: 15px; font-weight: bold; }
.plan .name { font-size: 11.5px; text-anchor: middle; }
.plan .note { font-size: 9.5px; text-anchor: middle; fill: var(--note); }
.plan .legend { font-size: 11px; }
.plan rect.built { fill: var(--built); stroke: var(--built-line); }
.plan rect.kept { fill: var(--kept); stroke: var(--kept-line); stroke-width: 2; }
.plan rect.to-do { fill: var(--to-do); stroke: var(--to-do-line); }
.plan .idle { stroke-dasharray: 4 3; fill-opacity: 0.45; }
.plan .arrow { fill: none; stroke: var(--arrow); stroke-width: 1.1; marker-end: url(#plan-head); }
#plan-head path { fill: #8a96a3; }
@media screen and (prefers-color-scheme: dark) {
  .plan { --text: #e6edf3; --note: #b6c0ca; --built: #1d3b24; --built-line: #57b865; --kept: #4a3510; --kept-line: #e69f00;
    --to-do: #1e2630; --to-do-line: #8a96a3; }
  .plan .ground { fill: #0d1117; }
}`;

/**
 * The plan's graph as an SVG document: a box for each build with its state as colour and as a word, arrows from what is
 * needed to what needs it. An arrow is left out where a longer way says the same. The same plan gives the same text.
 */
export function drawPlan(plan: Plan): string {
  const nodes = withoutDetours(plan.builds.map((build) => layoutNode(build)));
  const layout = layOut(nodes);
  const width = Math.ceil(Math.max(layout.width, 560));
  const height = Math.ceil(layout.height + HEAD);
  const left = (width - layout.width) / 2;
  const at = ({ x, y }: Point): Point => ({ x: x + left, y: y + HEAD });
  const asked = [plan.project, ...(plan.step === 'build' ? [] : [plan.step])].join(' ');
  const targets = plan.targets.length === 0 ? '' : ` (${plan.targets.join(' ')})`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" class="plan" role="img">`,
    `<title>${escape(`What is built for ${asked}${targets}`)}</title>`,
    `<style>${STYLE}\n</style>`,
    '<defs><marker id="plan-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0.8 L8,4 L0,7.2 z"/></marker></defs>',
    `<rect class="ground" width="${width}" height="${height}"/>`,
    `<text class="title" x="24" y="28">${escape(shorten(`${asked}${targets}`, Math.floor((width - 48) / 9.6)))}</text>`,
    ...legend(plan),
    ...layout.arrows.map(({ points }) => `<path class="arrow" d="${curve(points.map(at))}"/>`),
    ...plan.builds.flatMap((build) => {
      const box = layout.boxes.get(build.id);
      return box === undefined ? [] : drawBox(build, { ...box, ...at(box) });
    }),
    '</svg>',
    '',
  ].join('\n');
}

function layoutNode(build: PlannedBuild): LayoutNode {
  const [name, note] = linesOf(build);
  const width = Math.max(name.length * LETTER_WIDTH, note.length * SMALL_LETTER_WIDTH) + 20;
  return { id: build.id, width: Math.ceil(width), height: BOX_HEIGHT, from: build.needs };
}

/** What stands in a box: the project with its step; the state, and what tells the build from others of that project. */
function linesOf(build: PlannedBuild): readonly [string, string] {
  const name = build.step === 'build' ? build.project : `${build.project} ${build.step}`;
  const rest = build.id.startsWith(name) ? build.id.slice(name.length) : build.id.slice(build.project.length);
  const own = rest.trim();
  return [
    shorten(name, LINE_LIMIT),
    shorten([describeState(build), own].filter(Boolean).join(' · '), LINE_LIMIT + 6),
  ];
}

const shorten = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;

function drawBox(build: PlannedBuild, box: Box): string[] {
  const [name, note] = linesOf(build);
  const { x, y, width, height } = box;
  const idle = build.isNeeded || build.state === 'built' ? '' : ' idle';
  const all = [`${build.id}: ${describeState(build)}`, build.output, ...build.unknown].join('\n');
  return [
    `<g><title>${escape(all)}</title>`,
    `<rect class="${build.state}${idle}" x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${round(height)}" rx="5"/>`,
    `<text class="name" x="${round(x)}" y="${round(y - 3)}">${escape(name)}</text>`,
    `<text class="note" x="${round(x)}" y="${round(y + 12)}">${escape(note)}</text></g>`,
  ];
}

function legend(plan: Plan): string[] {
  const states = ['built', 'kept', 'to-do'] as const;
  const entries = states.map((state, index) => {
    const x = 24 + index * 84;
    return `<rect class="${state}" x="${x}" y="42" width="18" height="14" rx="3"/><text class="legend" x="${x + 24}" y="53">${STATE_WORDS[state]}</text>`;
  });
  return [
    ...entries,
    `<text class="legend" x="${24 + states.length * 84}" y="53">${escape(summarizePlan(plan))}</text>`,
  ];
}

/** A smooth line through the points, which stays at the first and the last one. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return '';
  const bends = rest.slice(0, -1).map((point, index) => {
    const next = rest[index + 1] ?? last;
    const isEnd = index === rest.length - 2;
    const end = isEnd ? last : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    return `Q${pair(point)} ${pair(end)}`;
  });
  return [`M${pair(first)}`, ...(bends.length === 0 ? [`L${pair(last)}`] : bends)].join(' ');
}

const round = (value: number): string => String(Math.round(value * 10) / 10);

const pair = ({ x, y }: Point): string => `${round(x)},${round(y)}`;

/** As text of an XML document; what XML can't hold at all is left out, and what turns the direction of what is around it. */
const escape = (text: string): string =>
  text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\p{Cs}\p{Bidi_Control}]/gu, '')
    .replace(/[&<>"]/g, (letter) => `&#${letter.codePointAt(0)};`);
