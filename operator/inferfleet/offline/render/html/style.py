"""The style of the page: light and dark, no fonts or pictures from anywhere. Pure."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae1;
  --chosen: #0b5fc0; --possible: #0f7b6c; --rejected: #8b939c; --bad: #b3261e; --out: rgba(179, 38, 30, 0.07);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --panel: #1b2027; --ink: #e6eaf0; --soft: #a3adb9; --rule: #343c47;
    --chosen: #6cb2ff; --possible: #4fc7b2; --rejected: #7c8794; --bad: #ff8a80; --out: rgba(255, 138, 128, 0.08);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 84rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 0.25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 0.6rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: 0.3rem 0; }
.soft, figcaption, .tick, .axis, .bound { color: var(--soft); }
.bad { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td {
  text-align: left; padding: 0.35rem 0.7rem 0.35rem 0; border-bottom: 1px solid var(--rule); vertical-align: top;
}
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
@media (max-width: 60rem) { .wide table { min-width: 76rem; } }
td.number, th.number { text-align: right; white-space: nowrap; }
section {
  background: var(--panel); border: 1px solid var(--rule); border-radius: 8px; padding: 1rem 1.1rem; margin: 0.9rem 0;
}
.charts { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 0.6rem; }
figure { margin: 0; flex: 1 1 24rem; min-width: 0; max-width: 34rem; }
figcaption { font-size: 0.85rem; }
.chart { width: 100%; height: auto; display: block; }
.chart text { font-size: 11px; fill: var(--soft); }
.chart .grid { stroke: var(--rule); stroke-width: 0.7; }
.chart .target { stroke: var(--bad); stroke-width: 1.3; stroke-dasharray: 5 4; }
.chart .bound { fill: var(--bad); paint-order: stroke; stroke: var(--panel); stroke-width: 3px; }
.chart .out { fill: var(--out); }
.chart .frontier { fill: none; stroke: var(--soft); stroke-width: 1.2; }
.chosen { fill: var(--chosen); stroke: var(--page); stroke-width: 1.2; }
.possible { fill: var(--possible); stroke: var(--page); stroke-width: 0.8; }
.rejected { fill: none; stroke: var(--rejected); stroke-width: 1.4; }
.legend {
  display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 0.4rem 0 0; font-size: 0.88rem; color: var(--soft);
}
.legend svg { width: 18px; height: 14px; vertical-align: -2px; margin-right: 0.3rem; }
.legend .target { stroke: var(--bad); stroke-width: 1.3; stroke-dasharray: 5 4; }
.legend .frontier { fill: none; stroke: var(--soft); stroke-width: 1.2; }
dl.terms { margin: 0.6rem 0 0; font-size: 0.88rem; color: var(--soft); }
dl.terms div { margin: 0.1rem 0; }
dl.terms dt { display: inline; font-weight: 600; }
dl.terms dd { display: inline; margin: 0 0 0 0.4rem; }
details { margin-top: 0.6rem; }
summary { cursor: pointer; color: var(--soft); }
code { font-size: 0.9em; }
"""
