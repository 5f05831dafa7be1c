import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { renderHtml } from '../../lib/report/page.js';
import { bigReport, evilReport } from './reports.js';

/** Debian's name for it. It is too large to be installed for this test alone. */
const chromium = (process.env.PATH ?? '')
  .split(delimiter)
  .map((dir) => join(dir, 'chromium'))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
const skip = chromium === undefined && 'no chromium is installed: the page is not looked at in a browser';
if (skip !== false) process.stderr.write(`# SKIPPED test/report/browser: ${skip}\n`);

describe('the page in Chromium', { skip, timeout: 300_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'rbm-resume-browser-'));
  after(() => rmSync(dir, { recursive: true }));

  const write = (name: string, page: string): string => {
    writeFileSync(join(dir, name), page);
    return join(dir, name);
  };
  /** What the browser prints, and what it tells on its console. */
  const open = (page: string, ...flags: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(
      chromium ?? '',
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--enable-logging=stderr'],
        ...[`--user-data-dir=${join(dir, 'profile')}`, '--window-size=1200,1600', ...flags],
        `file://${page}`,
      ],
      { encoding: 'utf8', cwd: dir, maxBuffer: 1 << 26 },
    );
    assert.equal(status, 0, stderr);
    return { dom: stdout, console: stderr.split('\n').filter((line) => line.includes(':CONSOLE:')) };
  };

  it('is drawn as it was written, light or dark, without a word on the console', () => {
    const page = write('big.html', renderHtml(bigReport()));
    const shots = [0, 1].map((scheme) => {
      const file = join(dir, `shot-${scheme}.png`);
      const flags = ['--dump-dom', `--screenshot=${file}`, `--blink-settings=preferredColorScheme=${scheme}`];
      const { dom, console } = open(page, ...flags);
      assert.deepEqual(console, []);
      assert.equal([...dom.matchAll(/<g class="leg /g)].length, 14);
      assert.equal([...dom.matchAll(/<g class="cell"/g)].length, 18);
      assert.match(dom, /<h2>Outputs<\/h2>/);
      return readFileSync(file);
    });
    assert.ok(shots.every((shot) => shot.subarray(1, 4).toString() === 'PNG' && shot.length > 50_000));
    assert.ok(!shots[0]?.equals(shots[1] ?? Buffer.alloc(0)));
  });

  it('runs and loads nothing of what others have written', () => {
    // If something came through all the same, the policy would stop it, and tell: this one only.
    const pierced = renderHtml(evilReport()).replace('</body>', '<script>1</script></body>');
    const { dom, console } = open(write('evil.html', pierced), '--dump-dom');
    assert.equal(console.length, 1);
    assert.match(console.join(), /inline script violates the following Content Security Policy/);
    assert.doesNotMatch(dom.replace('<script>1</script>', ''), /<(?:script|img|a)[ >]/);
  });
});
