import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';
import { html, shorten, type Markup } from './markup.js';
import { compareTexts, type ReportedDelta, type ReportedFolder, type ReportedSnapshot } from './reported.js';
import { tellBytes, tellCount } from './words.js';

const WIDTH = 1000;
const HEIGHT = 360;
/** Of the letters in a cell, in pixels. */
const LETTER = 7;

/** A cell of the picture: a folder in a delta, or a whole delta of which nobody knows more. */
export interface Cell {
  readonly delta: ReportedDelta;
  readonly folder: ReportedFolder | null;
  /** Its part of the delta's bytes in the store. */
  readonly value: number;
}

interface Node {
  readonly name: string;
  readonly cell?: Cell;
  readonly children?: readonly Node[];
}

/** A cell with its place, in pixels. */
export interface PlacedCell extends Cell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Whether it is the first of its delta. */
  readonly isFirst: boolean;
}

/**
 * Lays out the deltas of a snapshot: each has an area in proportion to its bytes in the store, and in it each folder one in
 * proportion to the bytes of its files before compression. A delta of 0 bytes has no cell.
 */
export function layOutDeltas(deltas: readonly ReportedDelta[]): PlacedCell[] {
  const root: Node = { name: '', children: deltas.map(nodeOf) };
  const tree = hierarchy<Node>(root, (node) => node.children)
    .sum(({ cell }) => cell?.value ?? 0)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0) || compareTexts(a.data.name, b.data.name));
  const placed = treemap<Node>().size([WIDTH, HEIGHT]).tile(treemapSquarify).round(false)(tree);
  const seen = new Set<ReportedDelta>();
  return placed.leaves().flatMap(({ data: { cell }, x0, y0, x1, y1 }) => {
    if (cell === undefined || cell.value === 0) return [];
    const isFirst = !seen.has(cell.delta);
    seen.add(cell.delta);
    return [{ ...cell, x: x0, y: y0, width: x1 - x0, height: y1 - y0, isFirst }];
  });
}

function nodeOf(delta: ReportedDelta): Node {
  const { size, folders, number } = delta;
  // So that deltas of one size keep their order.
  const name = String(number).padStart(5, '0');
  const sum = folders.reduce((all, { bytes }) => all + bytes, 0);
  if (sum === 0) return { name, children: [{ name, cell: { delta, folder: null, value: size } }] };
  const children = folders.map((folder) => ({
    name: folder.path,
    cell: { delta, folder, value: (size * folder.bytes) / sum },
  }));
  return { name, children };
}

/** The deltas of a snapshot as a picture; the stronger the colour, the newer. */
export function drawDeltas({ deltas }: ReportedSnapshot): Markup {
  const cells = layOutDeltas(deltas);
  return html`<svg
    class="treemap"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    width="${WIDTH}"
    height="${HEIGHT}"
    role="img"
    aria-label="Sizes of deltas, in bytes"
  >
    ${cells.map((cell) => drawCell(cell, deltas))} ${outlines(cells)}
  </svg>`;
}

function drawCell(cell: PlacedCell, deltas: readonly ReportedDelta[]): Markup {
  const { delta, x, y, width, height } = cell;
  const age = deltas.length < 2 ? 1 : deltas.indexOf(delta) / (deltas.length - 1);
  const fits = Math.floor((width - 10) / LETTER);
  const lines = linesOf(cell).filter((_, index) => fits >= 5 && height >= 20 + index * 14);
  return html`<g class="cell"
    ><title>${tooltipOf(cell)}</title
    ><rect
      x="${round(x)}"
      y="${round(y)}"
      width="${round(width)}"
      height="${round(height)}"
      fill-opacity="${round(0.12 + 0.38 * age)}"
    />${lines.map(
      ({ text, kind }, index) =>
        html`<text class="${kind}" x="${round(x + 5)}" y="${round(y + 15 + index * 14)}"
          >${fit(text, { kind, fits })}</text
        >`,
    )}</g
  > `;
}

/** A path is known by its end. */
function fit(text: string, how: { readonly kind: string; readonly fits: number }): string {
  const letters = [...text];
  if (how.kind !== 'folder' || letters.length <= how.fits) return shorten(text, how.fits);
  return `…${letters.slice(letters.length - how.fits + 1).join('')}`;
}

function linesOf({ delta, folder, isFirst }: PlacedCell): { readonly text: string; readonly kind: string }[] {
  return [
    ...(isFirst ? [{ text: `delta ${delta.number}: ${tellBytes(delta.size)}`, kind: 'delta' }] : []),
    ...(folder === null
      ? []
      : [
          { text: nameOfFolder(folder), kind: 'folder' },
          { text: tellBytes(folder.bytes), kind: 'size' },
        ]),
  ];
}

const tooltipOf = ({ delta, folder }: Cell): string =>
  `${nameOfDelta(delta)}: ${tellBytes(delta.size)} in the store` +
  (folder === null
    ? ''
    : `; ${nameOfFolder(folder)}: ${tellBytes(folder.bytes)} unpacked in ${tellCount(folder.files, 'file')}`);

/** `delta 3 (after 4 legs)`. */
export const nameOfDelta = ({ number, legs }: ReportedDelta): string =>
  `delta ${number}${legs === null ? '' : ` (after ${tellCount(legs, 'leg')})`}`;

export const nameOfFolder = ({ path, isRest }: ReportedFolder): string =>
  isRest ? `${path === '/' ? '' : path}/… other` : path;

/** A thick line around each delta. Its cells make a rectangle together. */
function outlines(cells: readonly PlacedCell[]): Markup[] {
  const byDelta = new Map<ReportedDelta, PlacedCell[]>();
  for (const cell of cells) byDelta.set(cell.delta, [...(byDelta.get(cell.delta) ?? []), cell]);
  return [...byDelta.values()].map((own) => {
    const [x, y] = [Math.min(...own.map((cell) => cell.x)), Math.min(...own.map((cell) => cell.y))];
    const right = Math.max(...own.map((cell) => cell.x + cell.width));
    const bottom = Math.max(...own.map((cell) => cell.y + cell.height));
    return html`<rect
      class="outline"
      x="${round(x)}"
      y="${round(y)}"
      width="${round(right - x)}"
      height="${round(bottom - y)}"
    />`;
  });
}

const round = (value: number): number => Math.round(value * 100) / 100;
