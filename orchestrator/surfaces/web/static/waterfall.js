// Spans of a run as bars over time. Waits of hours stand beside steps of milliseconds, so time is drawn compressed unless asked otherwise.
import { button, el, icon } from "./dom.js";
import { clock, full } from "./times.js";
import { lasted } from "./values.js";

/** @typedef {{span_id: string, parent_id: string|null, name: string, started_at: string, ended_at: string|null, status: string, attributes: Record<string, any>}} Span */

/** @param {Span} span */
function kindOf(span) {
  if (/approval wait|\bwait\b/.test(span.name)) return "wait";
  if (/^(chat|plan)\b/.test(span.name)) return "model";
  if (/^execute_tool/.test(span.name)) return span.attributes["deputy.effect.id"] || span.attributes["deputy.policy.decision"] === "ask" ? "effect" : "read";
  return "group";
}
const KINDS = { group: ["Run or agent", "flow"], model: ["Model", "model"], read: ["Read", "search"], effect: ["Effect", "outside"], wait: ["Wait for a person", "clock"] };
/** @param {Span} span */
const label = (span) => (/approval wait/.test(span.name) ? "waits for a person" : span.name).replace(/^(execute_tool|invoke_agent|invoke_workflow) /, "");

/** Parents before children, with their depth. @param {Span[]} spans @returns {[Span, number][]} */
function nested(spans) {
  const known = new Set(spans.map((span) => span.span_id));
  /** @type {Map<string|null, Span[]>} */
  const below = new Map();
  for (const span of spans) {
    const above = span.parent_id && known.has(span.parent_id) ? span.parent_id : null;
    below.set(above, [...(below.get(above) || []), span]);
  }
  /** @type {(above: string|null, depth: number) => [Span, number][]} */
  const walk = (above, depth) => (below.get(above) || []).flatMap((span) => [/** @type {[Span, number]} */ ([span, depth]), ...walk(span.span_id, depth + 1)]);
  return walk(null, 0);
}

/** From an instant to 0..1. @param {number[]} instants ascending @param {boolean} isTrue */
function scale(instants, isTrue) {
  const from = instants[0];
  const to = instants[instants.length - 1];
  if (isTrue || to <= from) return (/** @type {number} */ t) => (to > from ? (t - from) / (to - from) : 0);
  const places = [0];
  for (let at = 1; at < instants.length; at++) places.push(places[at - 1] + Math.log1p((instants[at] - instants[at - 1]) / 4));
  const all = places[places.length - 1];
  return (/** @type {number} */ t) => {
    let at = instants.findIndex((one) => one >= t);
    if (at < 0) at = instants.length - 1;
    if (at === 0) return 0;
    const part = (t - instants[at - 1]) / (instants[at] - instants[at - 1] || 1);
    return (places[at - 1] + part * (places[at] - places[at - 1])) / all;
  };
}

/** @param {Span[]} spans @param {{isTrue: boolean, picked: string|null}} view what the reader has chosen @param {() => void} again draws it anew after that @returns {HTMLElement} */
export function waterfall(spans, view, again) {
  const ends = (/** @type {Span} */ span) => Date.parse(span.ended_at || new Date().toISOString());
  const instants = [...new Set(spans.flatMap((span) => [Date.parse(span.started_at), ends(span)]))].sort((a, b) => a - b);
  const at = scale(instants, view.isTrue);
  const row = (/** @type {[Span, number]} */ [span, depth]) => {
    const kind = kindOf(span);
    const left = at(Date.parse(span.started_at));
    const right = at(ends(span));
    const bar = el("span", { class: `bar-of ${kind}${span.status === "error" ? " bad" : ""}` });
    bar.style.left = `${left * 100}%`;
    bar.style.width = `max(4px, ${(right - left) * 100}%)`;
    const name = el("span", { class: "name" }, icon(span.status === "error" ? "warn" : KINDS[/** @type {"read"} */ (kind)][1]), el("span", { class: "clip" }, label(span)));
    name.style.paddingLeft = `${depth * 14}px`;
    return el(
      "button",
      { type: "button", class: "span", "aria-expanded": String(view.picked === span.span_id), onclick: () => change({ picked: view.picked === span.span_id ? null : span.span_id }), id: `s-${span.span_id}` },
      name,
      el("span", { class: "track" }, bar),
      el("span", { class: "lasted num" }, span.ended_at ? lasted(ends(span) - Date.parse(span.started_at)) : "…"),
    );
  };
  const change = (/** @type {Partial<typeof view>} */ to) => {
    Object.assign(view, to);
    again();
  };
  return el(
    "div",
    { class: "waterfall" },
    el(
      "div",
      { class: "row legend" },
      Object.entries(KINDS).map(([kind, [words]]) => el("span", { class: "small" }, el("span", { class: `dot ${kind}` }), words)),
      instants.length > 1 && el("span", { class: "muted small push" }, `${clock(new Date(instants[0]).toISOString())} – ${clock(new Date(instants[instants.length - 1]).toISOString())}`),
      button(view.isTrue ? "Compress waits" : "True scale", () => change({ isTrue: !view.isTrue }), { kind: "small", id: "scale" }),
    ),
    nested(spans).map(([span, depth]) => [row([span, depth]), view.picked === span.span_id && about(span)]),
  );
}

/** @param {Span} span */
function about(span) {
  const told = Object.entries(span.attributes).filter(([, value]) => value !== "" && value !== null);
  return el(
    "dl",
    { class: "facts about", "data-key": `a-${span.span_id}` },
    el("dt", {}, "from – to"),
    el("dd", {}, `${full(span.started_at)} – ${span.ended_at ? full(span.ended_at) : "still going"}`),
    told.map(([name, value]) => [el("dt", {}, name.replace(/^(deputy|gen_ai)\./, "").replaceAll(/[._]/g, " ")), el("dd", { class: "mono small" }, typeof value === "string" ? value : JSON.stringify(value))]),
  );
}
