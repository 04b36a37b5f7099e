#pragma once

namespace ufo::report {

/// The style sheet of a report: its own colours for light and dark screens, and for paper.
inline constexpr const char* kReportStyle = R"(
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f6f7f9; --ink: #1c2430; --faint: #5d6877;
  --rule: #d9dee5; --warn: #fff4d6; --warn-rule: #e0b64a; --c0: #1f6fd6; --c1: #d1472f; --c2: #15896a;
  --c3: #b9770e; --c4: #7a4fc0; --c5: #0f8aa3; --c6: #c03f86; --c7: #6b6f2a; }
@media screen and (prefers-color-scheme: dark) { :root { --ground: #12161c; --panel: #1a2029; --ink: #e4e9f0;
  --faint: #9aa7b7; --rule: #333d4a; --warn: #33290f; --warn-rule: #8a6d1f; --c0: #6aa8ff; --c1: #ff8a73;
  --c2: #4cc9a4; --c3: #eab04d; --c4: #b698f0; --c5: #57c7de; --c6: #f08cc0; --c7: #c2c76a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--rule); }
h3 { font-size: 15px; margin: 20px 0 6px; }
.lead, .caption, figcaption { color: var(--faint); margin: 4px 0; }
.caption, figcaption { font-size: 13px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 13px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { color: var(--faint); font-weight: 600; font-size: 13px; vertical-align: bottom; }
tbody th { font-weight: 600; }
.facts tbody th { color: var(--faint); font-weight: 400; white-space: nowrap; }
.facts td { overflow-wrap: anywhere; }
.run { white-space: nowrap; }
.run::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 2px;
  margin-right: 7px; background: var(--c); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
ul.notes { margin: 16px 0 0; padding: 10px 16px 10px 32px; background: var(--warn);
  border: 1px solid var(--warn-rule); border-radius: 6px; font-size: 14px; }
ul.remarks { margin: 10px 0; padding-left: 20px; font-size: 13px; color: var(--faint); }
figure { margin: 0; break-inside: avoid; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); gap: 14px; }
.panels > svg { width: 100%; max-width: 580px; height: auto; background: var(--panel); border-radius: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 8px; font-size: 13px; }
.key svg { width: 26px; height: 8px; margin-right: 7px; vertical-align: 2px; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
svg text { fill: var(--faint); font-size: 12.5px; }
svg text.title { fill: var(--ink); font-weight: 600; font-size: 13.5px; }
svg line { stroke: var(--c); stroke-width: 2.2; }
svg line.grid { stroke: var(--rule); stroke-width: 1; }
svg line.axis { stroke: var(--faint); stroke-width: 1; }
svg line.bar { stroke: var(--c); stroke-width: 1.2; }
svg polyline { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; }
svg polygon.band { fill: var(--c); fill-opacity: 0.18; stroke: none; }
svg circle { fill: var(--c); }
svg .dashed polyline, svg line.dashed { stroke-dasharray: 6 4; }
svg .dotted polyline, svg line.dotted { stroke-dasharray: 2 3; }
details { margin: 8px 0; border: 1px solid var(--rule); border-radius: 6px; padding: 6px 12px; }
summary { cursor: pointer; }
pre { margin: 8px 0 4px; overflow-x: auto; font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
@media print { @page { margin: 12mm; } main { max-width: none; padding: 0; } body { font-size: 11px; }
  h1 { font-size: 20px; } h2 { font-size: 14px; margin-top: 20px; break-after: avoid; } h3 { font-size: 12px; }
  table, thead th { font-size: 9.5px; } th, td { padding: 3px 7px 3px 0; } .wide { overflow: visible; }
  .caption, .legend, figcaption, ul.remarks, ul.notes { font-size: 9.5px; } tr { break-inside: avoid; }
  .panels { grid-template-columns: 1fr 1fr; } .panels > svg { border: 1px solid var(--rule); }
  details:not([open]) { display: none; } }
)";

}  // namespace ufo::report
