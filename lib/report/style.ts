/**
 * The look of the page. The colours are those of Okabe and Ito, which the colour-blind can tell apart
 * (https://jfly.uni-koeln.de/color/); what they tell is told by a form or a word, too.
 */
export const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --ground: #ffffff; --line: #d0d7de; --panel: #f6f8fa;
  --kept: #0072b2; --finished: #00795a; --lost: #b35900; --delta: #0072b2; --bad: #b33c00; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --soft: #9da7b1; --ground: #0d1117; --line: #30363d; --panel: #161b22;
    --kept: #56b4e9; --finished: #2fc79a; --lost: #e69f00; --delta: #56b4e9; --bad: #ff9b5e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1160px; padding: 24px; background: var(--ground); color: var(--text);
  overflow-wrap: anywhere; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; } h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 4px 0 8px; } .soft, figcaption { color: var(--soft); font-size: 13px; } code { font-size: 12.5px; }
figure { margin: 8px 0; overflow-x: auto; } figure > svg { max-width: none; display: block; }
.timeline, .treemap { width: 100%; min-width: 720px; height: auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); }
th { white-space: nowrap; color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; } td.time { white-space: nowrap; } td.wide { min-width: 220px; } td.job { min-width: 110px; overflow-wrap: anywhere; }
.bad { color: var(--bad); font-weight: 600; } .key { display: inline-block; margin-right: 18px; white-space: nowrap; }
.key svg { width: 26px; height: 14px; vertical-align: -2px; margin-right: 5px; min-width: 0; display: inline; }
.timeline text, .treemap text, .key text { fill: var(--text); font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 12px; }
.timeline .build { font-size: 14px; font-weight: 600; } .timeline .note, .timeline .tick { fill: var(--soft); font-size: 11.5px; }
.grid { stroke: var(--line); } .bar { stroke: none; } .kept .bar { fill: var(--kept); } .finished .bar { fill: var(--finished); }
.lost .bar { fill: url(#lost); stroke: var(--lost); } .bar.open { fill-opacity: 0.45; }
.lost-ground { fill: var(--ground); } .lost-line { fill: var(--lost); }
.mark { fill: var(--ground); stroke: var(--text); stroke-width: 1.8; } .cross { fill: none; stroke-width: 2.6; }
.treemap .cell rect { fill: var(--delta); stroke: var(--ground); stroke-width: 1; }
.treemap .outline { fill: none; stroke: var(--text); stroke-width: 2; } .treemap .delta { font-weight: 700; } .treemap .size { font-size: 11px; }
@media screen { .graph { border: 1px solid var(--line); border-radius: 6px; max-height: 80vh; overflow: auto; } }
footer { margin-top: 32px; border-top: 1px solid var(--line); padding-top: 8px; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } * { print-color-adjust: exact; } h2, h3 { break-after: avoid; }
  table { font-size: 8.5px; } td, th { padding-right: 6px; } td.wide, td.job { min-width: 0; } .soft, figcaption, code { font-size: 9.5px; }
  tr, .treemap { break-inside: avoid; } .timeline, .treemap, .graph svg { min-width: 0; max-width: 100%; height: auto; } figure, .scroll { overflow: visible; } }
`;
