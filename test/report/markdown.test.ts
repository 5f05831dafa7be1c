import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { escapeMarkdown, renderMarkdown } from '../../lib/report/markdown.js';
import { bigReport, buildWith, evilReport, legOf, smallReport } from './reports.js';

const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;

describe('renderMarkdown', () => {
  it('has a row for each leg, the deltas, the graph, the proofs and the outputs', () => {
    const text = renderMarkdown(bigReport());
    assert.equal(count(text, /^\| \d+ +\| 2026/gm), 14);
    assert.equal(count(text, /^\| delta \d /gm), 6);
    assert.match(text, /^- browser&?.*to do$/m);
    assert.match(text, /^✅ clang/m);
    assert.match(text, /^\| rust\\-1\.80\\\.tar\\\.zst +\| e{64} \| resumed, 2 legs \|$/m);
    assert.ok(!text.includes('Left out') && text.endsWith('\n\n'));
    assert.equal(renderMarkdown(bigReport()), text);
  });

  it('shows the newest legs of a build that has very many, and says so', () => {
    const legs = Array.from({ length: 60 }, (_, index) => legOf(index + 1));
    const text = renderMarkdown({ ...smallReport(), builds: [buildWith(legs)] });
    assert.equal(count(text, /^\| \d+ +\| 2026/gm), 50);
    assert.match(text, /^\| 60 /m);
    assert.match(text, /^10 more legs, older ones, are not shown\.$/m);
  });

  it('says of what is not there how to get it', () => {
    const text = renderMarkdown(smallReport());
    assert.match(text, /### Left out\n\n- Project graph/);
    assert.equal(count(text, /^- /gm), 4);
  });

  it('shows text of others as text', () => {
    const text = renderMarkdown(evilReport());
    assert.ok(!/[<>\u202e\u0007]/.test(text));
    // Nothing of it is left that is not escaped, in tables neither.
    for (const letter of ['`', '[', '](']) assert.ok(!text.replaceAll(/\\./g, '').includes(letter), letter);
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    const cells = new Set(rows.map((row) => count(row.replaceAll(/\\./g, ''), /\|/g)));
    assert.deepEqual([...cells].sort(), [4, 5, 8, 9]);
  });
});

it('escapeMarkdown leaves nothing that begins a link, a list, a heading, a table or HTML', () => {
  assert.equal(escapeMarkdown('# a|b *c* <b> www.x.y\nz'), '\\# a\\|b \\*c\\* &#60;b&#62; www\\.x\\.y z');
});
