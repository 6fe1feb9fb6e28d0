// Values of slots, arguments and results in words; and receipts, budgets and spans of time as one line each.
import { chip, cut, el, facts } from "./dom.js";
import { isInstant, moment } from "./times.js";

/** In one line. @param {any} value @param {number} [most] @returns {string} */
export function brief(value, most = 120) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isInstant(value)) return moment(value);
  if (Array.isArray(value)) return cut(value.map((one) => brief(one)).join(", "), most);
  if (typeof value === "object") {
    if (value.address) return `${value.name || ""} <${value.address}>`.trim();
    for (const name of ["name", "title", "subject", "label", "text"]) if (value[name]) return cut(value[name], most);
    if (value.start && value.end) return `${brief(value.start)} – ${brief(value.end)}`;
    return cut(Object.entries(value).filter(([, one]) => one !== null).map(([name, one]) => `${name} ${brief(one, 40)}`).join(", "), most);
  }
  return cut(String(value), most);
}

/** Whole, behind a summary where it is long. @param {string} label @param {any} value */
export function folded(label, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  if (text === undefined || text === "{}" || text === "null" || text === "") return null;
  if (text.length < 90 && !text.includes("\n")) return el("p", { class: "small" }, el("span", { class: "muted" }, `${label} `), el("code", {}, text));
  return el("details", { "data-key": label }, el("summary", {}, `${label} · ${text.length.toLocaleString()} characters`), el("pre", { tabindex: "0" }, text));
}

const SOURCES = { request: "your words", directory: "the directory", mail: "a mail", calendar: "the calendar", chat: "the chat", settings: "settings", computed: "computed", answer: "your answer" };
/** @param {any[]} slots */
export const slots = (slots) =>
  slots.length &&
  facts(slots.map((one) => [one.name.replaceAll("_", " "), el("span", { class: "row" }, el("span", {}, brief(one.value)), chip(SOURCES[/** @type {"mail"} */ (one.source)] || one.source || "", { title: one.text || "" }))]));

/** e.g. "no model · 0.1 s". @param {any} receipt */
export function receipt(receipt) {
  if (!receipt) return "";
  const parts = [receipt.model_calls ? `${receipt.model_calls} model ${receipt.model_calls === 1 ? "call" : "calls"}` : "no model call"];
  const tokens = receipt.input_tokens + receipt.output_tokens;
  if (tokens) parts.push(`${tokens.toLocaleString()} tokens`, money(receipt.cost_usd));
  parts.push(lasted(receipt.wall_s * 1000));
  if (receipt.determinism) parts.push(receipt.determinism);
  const sent = (receipt.endpoints || []).map((/** @type {any} */ one) => one.endpoint || one);
  if (sent.length) parts.push(`sent to ${[...new Set(sent)].join(", ")}`);
  return parts.join(" · ");
}
/** @param {number} usd */
export const money = (usd) => `$${usd === 0 ? "0" : usd < 1 ? Number(usd).toFixed(4) : Number(usd).toFixed(2)}`;
/** @param {number} ms */
export const lasted = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : ms < 3600000 ? `${Math.round(ms / 60000)} min` : `${(ms / 3600000).toFixed(1)} h`);
const WAITS = { approval: "an approval", answer: "your answer", child: "its tasks", timer: "its time", reconsent: "a connection", repair: "a person to look", paused: "whoever paused it" };
/** Whether another request is to be done first: one that has begun waits for nothing but its own tasks. @param {any} item */
export const isBlocked = (item) => item.state === "waiting" && !item.route && Boolean(item.waiting_on?.includes("child"));
/** @param {any} item */
export const waitWords = (item) => (item.pausing ? "Pausing" : item.waiting_on?.length ? `Waits for ${item.waiting_on.map((/** @type {string} */ one) => (one === "child" && isBlocked(item) ? "another request" : WAITS[/** @type {"child"} */ (one)] || one)).join(" and ")}` : undefined);
