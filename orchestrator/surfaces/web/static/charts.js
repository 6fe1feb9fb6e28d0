// Charts of our own: bars and lines over days, bars of shares, a strip of outcomes. Each has a table of the same numbers for who reads.
import { el, svg, table } from "./dom.js";

const isNarrow = matchMedia("(max-width: 899px)").matches;
const W = isNarrow ? 360 : 640; // text in a chart is as large as beside it
const H = 190;
const LEFT = 46;
const BOTTOM = 22;

/** @typedef {{name: string, color: number, values: (number|null)[]}} Series */

/** A round number at or above. @param {number} value */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value) || value;
}

/**
 * @param {{title: string, labels: string[], series: Series[], kind: "bars"|"lines", format: (value: number) => string, big: string, note?: string, most?: number}} what
 */
export function chart(what) {
  const all = what.series.flatMap((one) => one.values.filter((value) => value !== null));
  const stacked = what.kind === "bars" ? what.labels.map((_, at) => what.series.reduce((sum, one) => sum + (one.values[at] || 0), 0)) : /** @type {number[]} */ (all);
  const most = what.most ?? ceiling(Math.max(0, ...stacked));
  const step = (W - LEFT - 8) / Math.max(1, what.labels.length);
  const y = (/** @type {number} */ value) => 8 + (H - BOTTOM - 8) * (1 - value / most);
  const x = (/** @type {number} */ at) => LEFT + step * (at + 0.5);
  const drawn = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "chart", "aria-hidden": "true" });
  for (const part of [0, 0.5, 1]) {
    drawn.append(svg("line", { x1: LEFT, x2: W - 4, y1: y(most * part), y2: y(most * part), class: "rule" }));
    const text = svg("text", { x: LEFT - 7, y: y(most * part) + 4, class: "tick-text", "text-anchor": "end" });
    text.textContent = what.format(most * part);
    drawn.append(text);
  }
  const every = Math.max(1, Math.ceil(what.labels.length / (isNarrow ? 4 : 7)));
  what.labels.forEach((label, at) => {
    if ((what.labels.length - 1 - at) % every) return;
    const isLast = at === what.labels.length - 1; // ends with the chart, so that it is not cut
    const text = svg("text", { x: isLast ? W - 2 : x(at), y: H - 5, class: "tick-text", "text-anchor": isLast ? "end" : "middle" });
    text.textContent = label;
    drawn.append(text);
  });
  if (what.kind === "bars")
    what.labels.forEach((label, at) => {
      let base = 0;
      for (const one of what.series) {
        const value = one.values[at] || 0;
        if (!value) continue;
        const bar = svg("rect", { x: x(at) - step * 0.34, width: step * 0.68, y: y(base + value), height: Math.max(1, y(base) - y(base + value)), rx: 2, class: `s${one.color}` });
        bar.append(title(`${label}: ${one.name} ${what.format(value)}`));
        drawn.append(bar);
        base += value;
      }
    });
  else
    for (const one of what.series) {
      let path = "";
      one.values.forEach((value, at) => {
        if (value === null) return;
        path += `${path && one.values[at - 1] !== null ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
        const dot = svg("circle", { cx: x(at), cy: y(value), r: 3, class: `s${one.color}` });
        dot.append(title(`${what.labels[at]}: ${one.name} ${what.format(value)}`));
        drawn.append(dot);
      });
      drawn.append(svg("path", { d: path, class: `line s${one.color}` }));
    }
  return figure(what.title, what.big, what.note, what.series.length > 1 ? what.series : [], drawn, table(what.title, ["Day", ...what.series.map((one) => one.name)], what.labels.map((label, at) => [label, ...what.series.map((one) => (one.values[at] === null ? "–" : what.format(/** @type {number} */ (one.values[at]))))])));
}
/** @param {string} text */
function title(text) {
  const made = svg("title");
  made.textContent = text;
  return made;
}

/** Shares as lying bars. @param {{title: string, big: string, note?: string, parts: [string, number, number][]}} what name, value, colour */
export function shares(what) {
  const most = Math.max(1, ...what.parts.map(([, value]) => value));
  const rows = what.parts.map(([name, value, color]) => {
    const bar = el("span", { class: `share s${color}` });
    bar.style.width = `${(value / most) * 100}%`;
    return el("div", { class: "share-row" }, el("span", {}, name), el("span", { class: "share-track" }, bar), el("b", { class: "num" }, String(value)));
  });
  return figure(what.title, what.big, what.note, [], el("div", { class: "shares" }, rows), null);
}

/** @param {string} name @param {string} big @param {string|undefined} note @param {Series[]} legend @param {any} drawn @param {any} numbers */
function figure(name, big, note, legend, drawn, numbers) {
  return el(
    "figure",
    { class: "card figure" },
    el("figcaption", {}, el("h2", {}, name), el("p", { class: "big-number num" }, big), note && el("p", { class: "muted small" }, note)),
    legend.length > 0 && el("p", { class: "row small" }, legend.map((one) => el("span", {}, el("span", { class: `dot s${one.color}` }), one.name))),
    drawn,
    numbers && el("details", {}, el("summary", {}, "As numbers"), numbers),
  );
}

/** The last outcomes of something, oldest first; bars up for good ones, stumps for bad ones. @param {{state: string, at: string, run_id: string}[]} outcomes */
export function sparkline(outcomes) {
  const good = outcomes.filter((one) => one.state === "done").length;
  const drawn = svg("svg", { viewBox: `0 0 ${20 * 7} 20`, class: "spark", role: "img", "aria-label": `${good} of the last ${outcomes.length} succeeded` });
  outcomes.forEach((one, at) => {
    const ok = one.state === "done";
    const place = 20 - outcomes.length + at;
    drawn.append(svg("rect", { x: place * 7, y: ok ? 2 : 12, width: 5, height: ok ? 16 : 6, rx: 1.5, class: ok ? "s2" : one.state === "cancelled" ? "s5" : "s4" }));
  });
  return drawn;
}
