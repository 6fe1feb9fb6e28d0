// The overview: what the work cost, how long it took, how often it asked and succeeded, and how old the list is.
import { $, button, el, empty, notice } from "./dom.js";
import { chart, shares } from "./charts.js";
import { api } from "./net.js";
import { renew } from "./renew.js";
import { ZONE } from "./times.js";
import { lasted, money } from "./values.js";

const body = $("#body");
let days = 30;
const seconds = (/** @type {number} */ value) => lasted(value * 1000);
const whole = (/** @type {number} */ value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const percent = (/** @type {number} */ value) => `${Math.round(value * 100)} %`;

async function load() {
  try {
    const asked = days;
    const told = await api("/figures", { query: { days: asked, zone: ZONE } });
    if (asked === days) paint(told); // else another span was chosen meanwhile
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), load));
  }
}
/** @param {any} told */
function paint(told) {
  const { total, worklist } = told;
  const labels = told.days.map((/** @type {any} */ day) => new Date(`${day.date}T12:00`).toLocaleDateString(navigator.language, { day: "numeric", month: "short" }));
  const of = (/** @type {(day: any) => number|null} */ read) => told.days.map(read);
  if (!total.runs && !total.asks) {
    renew(body, empty({ icon: "chart", title: "Nothing to draw yet", text: "Cost, time, asks and success appear here with the first requests.", command: "deputy demo" }));
    return;
  }
  renew(body, 
    el(
      "div",
      { class: "page figures" },
      chart({ title: "Requests ended", kind: "bars", labels, format: whole, big: String(total.runs), note: `${total.without_model} without any model`, series: [{ name: "Done", color: 2, values: of((day) => day.done) }, { name: "Failed", color: 4, values: of((day) => day.failed) }] }),
      chart({ title: "Success", kind: "lines", labels, most: 1, format: percent, big: total.success_rate === null ? "–" : percent(total.success_rate), note: "of those that ended by themselves", series: [{ name: "Success", color: 2, values: of((day) => day.success_rate) }] }),
      chart({ title: "Time until done", kind: "lines", labels, format: seconds, big: total.latency_s ? seconds(total.latency_s.p50) : "–", note: total.latency_s ? `half are faster; 95 in 100 take less than ${seconds(total.latency_s.p95)}, waits for people included` : "", series: [{ name: "Half within", color: 1, values: of((day) => day.latency_s?.p50 ?? null) }, { name: "95 % within", color: 3, values: of((day) => day.latency_s?.p95 ?? null) }] }),
      chart({ title: "Times it asked a person", kind: "bars", labels, format: whole, big: String(total.asks), note: `${total.approvals.approved} approved, ${total.approvals.denied} denied, ${total.approvals.expired} expired, ${total.approvals.pending} wait`, series: [{ name: "Approved", color: 2, values: of((day) => day.approvals.approved) }, { name: "Denied", color: 4, values: of((day) => day.approvals.denied) }, { name: "Expired or replaced", color: 5, values: of((day) => day.approvals.expired + day.approvals.void) }, { name: "Waiting", color: 3, values: of((day) => day.approvals.pending) }] }),
      chart({ title: "Cost", kind: "bars", labels, format: money, big: money(total.cost_usd), note: `${total.model_calls} model calls, ${total.tokens.toLocaleString()} tokens`, series: [{ name: "Cost", color: 1, values: of((day) => day.cost_usd) }] }),
      shares({ title: "Age of the open work", big: worklist.oldest_s === null ? "–" : seconds(worklist.oldest_s), note: `the oldest; ${worklist.ready} ready, ${worklist.running} running, ${worklist.waiting} waiting`, parts: [["under an hour", worklist.ages.under_1h, 2], ["under a day", worklist.ages.under_1d, 1], ["under a week", worklist.ages.under_1w, 3], ["older", worklist.ages.older, 4]] }),
      told.is_partial && el("p", { class: "muted" }, "There is more than can be drawn at once: the newest are counted."),
    ),
  );
}
$("#tools").append(
  el("select", { class: "compact", "aria-label": "Days", onchange: (/** @type {any} */ event) => { days = Number(event.target.value); load(); } }, [[7, "7 days"], [30, "30 days"], [90, "90 days"]].map(([value, words]) => el("option", { value, selected: value === 30 }, words))),
  button("", load, { icon: "undo", kind: "icon", label: "Load again" }),
);
load();
