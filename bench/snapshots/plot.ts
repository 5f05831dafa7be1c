/** A line of one panel: y over x, both above zero. */
export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const [WIDTH, HEIGHT] = [330, 300];
const MARGIN = { left: 72, right: 16, top: 40, bottom: 52 };
const TOP = 76;

/** Told apart also without colours: by the marker. */
const STYLES = [
  { colour: '#0060a8', marker: (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="5"/>` },
  {
    colour: '#c04a00',
    marker: (x: number, y: number) => `<rect x="${x - 4.5}" y="${y - 4.5}" width="9" height="9"/>`,
  },
  { colour: '#007a5a', marker: (x: number, y: number) => `<path d="M${x} ${y - 6}l6 11h-12z"/>` },
  { colour: '#6a3d9a', marker: (x: number, y: number) => `<path d="M${x} ${y - 6}l6 6l-6 6l-6-6z"/>` },
] as const;

const styleOf = (index: number) => STYLES[index % STYLES.length] ?? STYLES[0];

/** Draws panels side by side as an SVG image: logarithmic axes, one legend. All panels have the same lines and x. */
export function drawPanels(title: string, xTitle: string, panels: readonly Panel[]): string {
  const width = WIDTH * panels.length;
  const names = panels[0]?.lines.map(({ name }) => name) ?? [];
  const legend = names.map((name, index) => {
    const { colour, marker } = styleOf(index);
    const x = 24 + (index * (width - 24)) / names.length;
    return `<g fill="${colour}">${marker(x, 52)}</g><text x="${x + 14}" y="57">${escape(name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${TOP + HEIGHT}" role="img" font-family="sans-serif" font-size="13" fill="#222">`,
    `<title>${escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${width / 2}" y="26" text-anchor="middle" font-size="16" font-weight="bold">${escape(title)}</text>`,
    ...legend,
    ...panels.map(
      (panel, index) => `<g transform="translate(${index * WIDTH} ${TOP})">${drawPanel(panel, xTitle)}</g>`,
    ),
    '</svg>\n',
  ].join('\n');
}

function drawPanel({ title, lines, format }: Panel, xTitle: string): string {
  const points = lines.flatMap((line) => line.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const ticks = ticksAround(points.map(({ y }) => y));
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const [top, bottom] = [MARGIN.top, HEIGHT - MARGIN.bottom];
  const toX = scale([xs[0] ?? 1, xs.at(-1) ?? 1], [left + 14, right - 14]);
  const toY = scale([ticks[0] ?? 1, ticks.at(-1) ?? 1], [bottom, top]);
  const horizontal = ticks.map((y) => {
    const at = toY(y);
    return `<path d="M${left} ${at}H${right}" stroke="#ddd"/><text x="${left - 8}" y="${at + 4}" text-anchor="end">${format(y)}</text>`;
  });
  const vertical = xs.map((x) => {
    const at = toX(x);
    return `<path d="M${at} ${bottom}v5" stroke="#222"/><text x="${at}" y="${bottom + 20}" text-anchor="middle">${x.toLocaleString('en')}</text>`;
  });
  const drawn = lines.map((line, index) => {
    const { colour, marker } = styleOf(index);
    const at = line.points.map(({ x, y }) => [toX(x), toY(y)] as const);
    const path = at.map(([x, y], step) => `${step === 0 ? 'M' : 'L'}${x} ${y}`).join('');
    const markers = at.map(([x, y]) => marker(x, y)).join('');
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/><g fill="${colour}">${markers}</g>`;
  });
  return [
    `<text x="${(left + right) / 2}" y="22" text-anchor="middle" font-weight="bold">${escape(title)}</text>`,
    ...horizontal,
    ...vertical,
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#222"/>`,
    `<text x="${(left + right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escape(xTitle)}</text>`,
    ...drawn,
  ].join('\n');
}

/** A logarithmic scale, with a tenth of a unit of the image as the finest step. */
const scale =
  ([from, to]: readonly [number, number], [start, end]: readonly [number, number]) =>
  (value: number): number => {
    const share = from === to ? 0.5 : Math.log(value / from) / Math.log(to / from);
    return Math.round((start + share * (end - start)) * 10) / 10;
  };

/** 1, 2 and 5 times powers of ten (1 alone over a wide range), from below the least value to above the greatest. */
function ticksAround(values: readonly number[]): number[] {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const decades = Math.log10(greatest / least);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(greatest)); power += 1)
    for (const digit of decades > 2.5 ? [1] : [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
  const first = ticks.findLastIndex((tick) => tick <= least);
  const last = ticks.findIndex((tick) => tick >= greatest);
  return ticks.slice(Math.max(0, first), last === -1 ? undefined : last + 1);
}

const escape = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
