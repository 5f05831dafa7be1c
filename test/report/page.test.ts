import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { renderHtml } from '../../lib/report/page.js';
import { bigReport, buildWith, deltaOf, evilReport, EVIL, legOf, smallReport } from './reports.js';
import { layOutDeltas } from '../../lib/report/treemap.js';
import { scaleOf } from '../../lib/report/timeline.js';

const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;

describe('renderHtml', () => {
  const pages = {
    big: renderHtml(bigReport()),
    small: renderHtml(smallReport()),
    evil: renderHtml(evilReport()),
  };

  it('is well-formed, with each id once', () => {
    for (const page of Object.values(pages)) {
      // Written so that it is XML, too.
      const { status, stderr } = spawnSync('xmllint', ['--noout', '-'], { input: page, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
      assert.equal(new Set(ids).size, ids.length);
    }
  });

  it('needs nothing but itself, and forbids the rest', () => {
    for (const page of Object.values(pages)) {
      assert.match(
        page,
        /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:" ?\/?>/,
      );
      const tags = [...page.matchAll(/<([a-z0-9]+)/gi)].map(([, tag]) => tag ?? '');
      for (const tag of [
        'script',
        'link',
        'img',
        'iframe',
        'object',
        'embed',
        'base',
        'a',
        'form',
        'image',
        'use',
      ])
        assert.ok(!tags.includes(tag), `<${tag}>`);
      const attributes = [...page.matchAll(/<[a-z0-9]+((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)/gi)].map(
        ([, all]) => all ?? '',
      );
      assert.ok(attributes.every((all) => !/\s(?:on[a-z]+|src|href|srcset|action|style)=/i.test(all)));
      assert.doesNotMatch(page, /@import|url\((?!#)/);
    }
  });

  it('shows text of others as text', () => {
    assert.ok(!pages.evil.includes('<script') && !pages.evil.includes('<img'));
    assert.ok(!/[\u202e\u0007]/.test(pages.evil));
    assert.ok(pages.evil.includes('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;'));
    assert.ok(count(pages.evil, /&#60;script&#62;/g) >= 15, 'each place in which it was put shows it');
    assert.ok(!pages.evil.includes(EVIL));
  });

  it('has a bar and a row for each leg, and tells those apart that were lost or ended by force', () => {
    assert.equal(
      count(
        pages.big,
        /<rect\s+class="bar(?: open)?"\s+x="[\d.]+"\s+y="\d+"\s+width="[\d.]+"\s+height="13"/g,
      ),
      14,
    );
    assert.equal(count(pages.big, /<tr>\s*<td class="number">\d+<\/td>/g), 14);
    assert.equal(count(pages.big, /<g class="leg lost"/g), 3);
    assert.equal(count(pages.big, /<g class="leg finished"/g), 1);
    assert.equal(count(pages.big, /class="bar open"/g), 1);
    assert.equal(count(pages.small, /<g class="leg /g), 1);
  });

  it('says of what is not there how to get it, and of what is there nothing', () => {
    for (const what of ['Project graph', 'Deltas', 'Proofs', 'Outputs'])
      assert.match(pages.small, RegExp(`<li>${what}: `));
    for (const what of ['Project graph', 'Sizes of deltas', 'Proofs', 'Outputs'])
      assert.ok(!pages.small.includes(`<h2>${what}</h2>`));
    assert.ok(!pages.big.includes('Left out'));
    assert.match(renderHtml({ ...smallReport(), builds: [] }), /<li>Legs: /);
  });

  it('has the same bytes each time, and times in UTC', () => {
    assert.equal(renderHtml(bigReport()), pages.big);
    assert.match(pages.small, /<td class="time">2026-11-20T11:12:00Z<\/td>/);
  });
});

describe('scaleOf', () => {
  it('has two to six ticks, whatever time the legs take', () => {
    for (const seconds of [1, 7, 59, 3600, 20_000, 86_400, 5e6, 4e8]) {
      const startedAt = '2026-11-20T06:00:00.000Z';
      const endedAt = new Date(Date.parse(startedAt) + seconds * 1000).toISOString();
      const { ticks, at } = scaleOf([legOf(1, { startedAt, endedAt })]);
      assert.ok(ticks.length >= 1 && ticks.length <= 6, `${seconds} s: ${ticks.length}`);
      ticks.slice(1).forEach((tick, index) => assert.ok(at(tick) - at(ticks[index] ?? 0) > 130));
    }
  });

  it('puts what is no time, or ends before it begins, into the picture', () => {
    const page = renderHtml({
      ...smallReport(),
      builds: [buildWith([legOf(1, { startedAt: 'never' }), legOf(2, { endedAt: '2020-01-01T00:00:00Z' })])],
    });
    assert.equal(count(page, /<g class="leg /g), 2);
    assert.ok(!page.includes('NaN') && !/width="-/.test(page));
  });
});

describe('layOutDeltas', () => {
  const sizes = [90e6, 200e6, 50e6, 70e6, 28e6, 2e6];
  const deltas = sizes.map((size, index) => deltaOf(index + 1, size));
  const cells = layOutDeltas(deltas);
  const total = sizes.reduce((sum, size) => sum + size, 0);

  it('gives each delta an area in proportion to its size, and each folder its part of that', () => {
    for (const delta of deltas) {
      const own = cells.filter((cell) => cell.delta === delta);
      const area = own.reduce((sum, { width, height }) => sum + width * height, 0);
      assert.ok(Math.abs(area / 360_000 - delta.size / total) < 1e-9);
      const bytes = delta.folders.reduce((sum, folder) => sum + folder.bytes, 0);
      for (const { folder, width, height } of own)
        assert.ok(Math.abs((width * height) / area - (folder?.bytes ?? 0) / bytes) < 1e-9);
      assert.equal(own.filter(({ isFirst }) => isFirst).length, 1);
    }
    assert.equal(cells.length, 18);
  });

  it('draws these areas, rounded to hundredths of a pixel', () => {
    const drawn = [
      ...renderHtml(bigReport()).matchAll(
        /<g class="cell"\s*><title>delta (\d+) [^<]*<\/title\s*><rect\s+x="[\d.]+"\s+y="[\d.]+"\s+width="([\d.]+)"\s+height="([\d.]+)"/g,
      ),
    ];
    const areas = sizes.map(() => 0);
    for (const [, number, width, height] of drawn)
      areas[Number(number) - 1] = (areas[Number(number) - 1] ?? 0) + Number(width) * Number(height);
    areas.forEach((area, index) =>
      assert.ok(Math.abs(area / 360_000 - (sizes[index] ?? 0) / total) < 1e-3, `delta ${index + 1}`),
    );
  });

  it('has one cell for a delta whose folders nobody knows, and none for one of 0 bytes', () => {
    const bare = layOutDeltas([
      { ...deltaOf(1, 10), folders: [] },
      { ...deltaOf(2, 0), folders: [] },
    ]);
    assert.deepEqual(
      bare.map(({ delta, width, height }) => [delta.number, width, height]),
      [[1, 1000, 360]],
    );
  });
});
