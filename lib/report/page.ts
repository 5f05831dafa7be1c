import { drawPlan } from '../plan/picture.js';
import { summarizePlan } from '../plan/tree.js';
import { describeVerdict, describeWhole, HEAD, rowsOf, sentenceCase } from '../prove/describe-report.js';
import type { ProveReport } from '../prove/report.js';
import { html, Markup } from './markup.js';
import type { Report } from './report.js';
import type { ReportedBuild, ReportedLeg, ReportedOutput, ReportedSnapshot } from './reported.js';
import { STYLE } from './style.js';
import { drawTimeline } from './timeline.js';
import { drawDeltas, nameOfDelta, nameOfFolder } from './treemap.js';
import * as words from './words.js';

/** Nothing is loaded from anywhere, and no script runs, whatever stands in the page. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * The report as one page without scripts, which needs nothing but itself. All text in it that comes from a record, a plan or
 * a file is escaped. The same report gives the same bytes.
 */
export function renderHtml(report: Report): string {
  const { builds, plan, proofs, outputs, troubles, project } = report;
  const title = `${project ?? 'All projects'}: legs of interrupted builds`;
  const packed = builds.filter(({ snapshot }) => snapshot !== null);
  const missing = words.leftOut(report);
  return html`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <p>${words.summarize(report)} All times are UTC.</p>
        ${troubles.length === 0 ? '' : list('Could not be read', troubles)}
        ${builds.length === 0 ? '' : legsSection(report)}
        ${
          plan === null
            ? ''
            : html`<h2>Project graph</h2>
                <p>${summarizePlan(plan)}</p>
                <figure class="graph">${inlineSvg(drawPlan(plan))}</figure> `
        }
        ${
          packed.length === 0
            ? ''
            : html`<h2>Sizes of deltas</h2>
                <p class="soft">
                  The area of a delta is its compressed size in the store; in it, each folder has a part in
                  proportion to the bytes of its files before compression. The stronger the colour, the newer.
                </p>
                ${packed.map(({ snapshot, ...build }) => (snapshot === null ? '' : deltas(words.titleOf({ ...build, snapshot }), snapshot)))}`
        }
        ${
          proofs.length === 0
            ? ''
            : html`<h2>Proofs</h2>
                <p class="soft">
                  Builds that were interrupted at random moments and resumed, compared byte for byte with one
                  that was not.
                </p>
                ${proofs.map(proof)}`
        }
        ${outputs.length === 0 ? '' : outputTable(outputs)}
        ${missing.length === 0 ? '' : list('Left out', missing)}
        <footer class="soft">Written by rbm-resume report.</footer>
      </body>
    </html> `.text;
}

const list = (title: string, lines: readonly string[]): Markup =>
  html`<h2>${title}</h2>
    <ul>
      ${lines.map((line) => html`<li>${line}</li>`)}
    </ul> `;

function legsSection(report: Report): Markup {
  return html`<h2>Legs</h2>
    <figure>
      ${drawTimeline(report)}
      <figcaption>${legend()}</figcaption>
    </figure>
    ${report.builds.map(legTable)}`;
}

function legend(): Markup[] {
  const bar = (fate: ReportedLeg['fate']): Markup =>
    html`<span class="key"
      ><svg viewBox="0 0 26 14" class="${fate}" aria-hidden="true">
        <rect class="bar" x="1" y="1" width="24" height="12" /></svg
      >${words.FATES[fate]}</span
    >`;
  const mark = (form: Markup, text: string): Markup =>
    html`<span class="key"><svg viewBox="0 0 14 14" aria-hidden="true">${form}</svg>${text}</span>`;
  return [
    ...(['kept', 'finished', 'lost'] as const).map(bar),
    mark(html`<circle class="mark" cx="7" cy="7" r="4" />`, 'ended by SIGINT'),
    mark(html`<path class="mark" d="M7,1 l5,12 h-10 z" />`, 'needed SIGTERM'),
    mark(html`<path class="mark cross" d="M2,2 l10,10 m0,-10 l-10,10" />`, 'needed SIGKILL'),
    html`<span class="key">pale: only its beginning is recorded</span>`,
  ];
}

const legTable = (build: ReportedBuild): Markup =>
  html`<h3>${words.titleOf(build)}</h3>
    <p class="soft">
      ${words.STATES[build.state]}${build.hash === null ? '' : html`; <code>${build.hash}</code>`}
    </p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th class="number">Leg</th>
            <th>From</th>
            <th>To</th>
            <th class="number">Worked</th>
            <th>Job</th>
            <th>Began in</th>
            <th>Interrupted</th>
            <th>By</th>
            <th>Again in the next leg</th>
          </tr>
        </thead>
        <tbody>
          ${build.legs.map(
            (leg) =>
              html`<tr>
                <td class="number">${leg.number}</td>
                <td class="time">${words.tellTime(leg.startedAt)}</td>
                <td class="time">${words.tellTime(leg.endedAt)}</td>
                <td class="number">${words.tellSeconds(leg.seconds)}</td>
                <td class="job">${words.tellJob(leg)}</td>
                <td>${words.tellOrigin(leg)}</td>
                <td class="wide">${words.tellStop(leg)}</td>
                <td class="time">${leg.escalation ?? '–'}</td>
                <td>${words.tellRedone(leg)}</td>
              </tr> `,
          )}
        </tbody>
      </table>
    </div> `;

const deltas = (title: string, snapshot: ReportedSnapshot): Markup =>
  html`<h3>${title}</h3>
    <p>${words.tellSnapshot(snapshot)}. Parked ${words.tellTime(snapshot.createdAt)}.</p>
    <figure>${drawDeltas(snapshot)}</figure>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Delta</th>
            <th class="number">In the store</th>
            <th class="number">Uncompressed</th>
            <th>Largest folders, unpacked</th>
          </tr>
        </thead>
        <tbody>
          ${snapshot.deltas.map(
            (delta) =>
              html`<tr>
                <td>${nameOfDelta(delta)}</td>
                <td class="number">${words.tellBytes(delta.size)}</td>
                <td class="number">
                  ${delta.diffSize === null ? 'not recorded' : words.tellBytes(delta.diffSize)}
                </td>
                <td>
                  ${words
                    .largestFolders(delta)
                    .map((folder) => `${nameOfFolder(folder)} ${words.tellBytes(folder.bytes)}`)
                    .join(', ')}
                </td>
              </tr> `,
          )}
        </tbody>
      </table>
    </div> `;

function proof(report: ProveReport): Markup {
  const isGood = report.verdict === 'equal';
  const head = HEAD.map((word) => html`<th>${sentenceCase(word)}</th>`);
  return html`<h3>${report.project}</h3>
    <p>
      <span${isGood ? '' : new Markup(' class="bad"')}>${isGood ? '✓' : '✗'} ${describeVerdict(report)}</span
      ><br /><code>${report.command.join(' ')}</code>
    </p>
    ${
      report.runs.length === 0
        ? ''
        : html`<div class="scroll">
              <table>
                <thead>
                  <tr>
                    ${head}
                  </tr>
                </thead>
                <tbody>
                  ${rowsOf(report).map(
                    (row) =>
                      html`<tr>
                        ${row.map((cell) => html`<td>${cell}</td>`)}
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>
            ${describeWhole(report).map((line) => html`<p>${line}</p>`)}`
    }`;
}

const outputTable = (outputs: readonly ReportedOutput[]): Markup =>
  html`<h2>Outputs</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Output</th>
            <th>sha256</th>
            <th>Built</th>
          </tr>
        </thead>
        <tbody>
          ${outputs.map(
            (output) =>
              html`<tr>
                <td>${output.name}</td>
                <td><code>${output.sha256}</code></td>
                <td>${words.tellHowBuilt(output)}</td>
              </tr> `,
          )}
        </tbody>
      </table>
    </div> `;

/** A picture as a part of the page: without what only a file of its own has. */
const inlineSvg = (svg: string): Markup => new Markup(svg.replace(/^<\?xml[^>]*\?>\n/, ''));
