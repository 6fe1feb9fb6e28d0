// Runs: the list, and one of them live: waterfall, steps or transcript, what it changed and why it was let.
import { $, button, can, card, chip, el, empty, icon, notice, stateChip, table } from "./dom.js";
import { bySchedule, isOpen, nudge, stop } from "./item.js";
import { bind } from "./keys.js";
import { onNews, onState } from "./live.js";
import { api, oneAtATime } from "./net.js";
import { arrivals, renew } from "./renew.js";
import { dialog } from "./shell.js";
import { at, since } from "./times.js";
import { act, told } from "./toast.js";
import { stepList, transcript } from "./transcript.js";
import { brief, receipt } from "./values.js";
import { waterfall } from "./waterfall.js";

const body = $("#body");
const tools = $("#tools");
const runId = /^\/runs\/(.+)$/.exec(location.pathname)?.[1];
const HEADS = ["Run", "State", "How", "Began", "Took", ""];
/** @type {any[]} what is listed; what came since waits for whoever reads */
let runs = [];
let cursor = "";
const state = () => $("#state")?.value || "";
const tellNew = arrivals(() => {
  listed();
  body.scrollTop = 0;
  body.focus({ preventScroll: true });
});

async function listed(more = false) {
  try {
    const asked = state();
    const page = await api("/runs", { query: { limit: 50, cursor: more ? cursor : undefined, state: asked } });
    if (asked !== state()) return; // another one was chosen meanwhile
    cursor = page.next;
    runs = more ? [...runs, ...page.runs] : page.runs;
    if (!more) tellNew(0);
    paintList();
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), () => listed()));
  }
}
function paintList() {
  const rows = runs.map((run) => [
    el("a", { href: `/runs/${run.run_id}` }, run.workflow || run.pins?.agent || run.route || "run"),
    stateChip(run.state),
    { match: "matched, no model", workflow: "named workflow", agent: "agent" }[/** @type {"match"} */ (run.route)] || run.route || "–",
    at(run.started_at),
    receipt(run.receipt) || "–",
    el("a", { href: `/work/${run.item_id}` }, "its request"),
  ]);
  const made = table("Runs", HEADS, rows, runs.map((run) => run.run_id));
  renew(body, el("div", { class: "page" }, rows.length ? made : empty({ icon: "run", title: "Nothing has run yet", text: "Every request leaves a run here, with its steps, its timeline and its cost.", command: 'deputy ask "What is on my calendar today?"' }), cursor && el("p", { "data-key": "older" }, button("Show older ones", () => listed(true)))));
}
/** New states go into their rows; new rows are told, and come when they are asked for. */
const settle = oneAtATime(async () => {
  const asked = state();
  const limit = Math.min(500, Math.max(50, runs.length));
  const read = (/** @type {string} */ state) => api("/runs", { query: { limit, state } }).catch(() => null);
  const [all, mine] = await Promise.all([read(""), asked ? read(asked) : null]);
  const found = asked ? mine : all;
  if (!all || !found || asked !== state()) return;
  if (!runs.length && !$(".empty:hover, .empty :focus", body)) return listed();
  const known = new Map(all.runs.map((/** @type {any} */ run) => [run.run_id, run]));
  const shown = new Set(runs.map((run) => run.run_id));
  const oldest = cursor ? runs[runs.length - 1]?.started_at || "" : ""; // what is before it is on a later page
  const fresh = found.runs.filter((/** @type {any} */ run) => !shown.has(run.run_id) && run.started_at >= oldest);
  runs = runs.map((run) => known.get(run.run_id) || run);
  paintList();
  tellNew(fresh.length, fresh.length > 0 && fresh.length === found.runs.length);
});

/** @type {any} */
let item = null;
/** Of the timeline. @type {{isTrue: boolean, picked: string|null}} */
const view = { isTrue: false, picked: null };
/** @type {EventSource|null} steps of this run as it makes them: more often than there is news */
let steps = null;
const one = oneAtATime(async () => {
  try {
    const run = await api(`/runs/${runId}`);
    const [trace, document_, turns] = await Promise.all([
      api(`/runs/${runId}/trace`).catch(() => null),
      api(`/items/${run.item_id}`).catch(() => null),
      run.route === "agent" ? api(`/runs/${runId}/transcript`).catch(() => null) : null,
    ]);
    item = document_;
    paint(run, trace, turns);
    watch(run);
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), one));
  }
});
/** @param {any} run */
function watch(run) {
  if (run.finished_at) {
    steps?.close();
    steps = null;
  } else if (!steps && can("follow_events")) {
    steps = new EventSource(`/api/v1/events?item_id=${run.item_id}`);
    steps.onmessage = (event) => JSON.parse(event.data).kind === "run.progress" && soon();
    addEventListener("pagehide", () => steps?.close());
  }
}

/** @param {any} run @param {any} trace @param {any} turns */
function paint(run, trace, turns) {
  renew(
    tools,
    ...(item && isOpen(item)
      ? [
          can("nudge_item") && button("Nudge", () => nudge(item, one), { icon: "nudge", key: "n", kind: "small" }),
          item.paused || item.pausing ? can("resume_item") && button("Go on", () => act(() => api(`/items/${item.item_id}/resume`, { body: {} }), "It goes on.", one), { icon: "play", key: "p", kind: "small" }) : can("pause_item") && button("Pause", () => act(() => api(`/items/${item.item_id}/pause`, { body: {} }), "It stops at the next safe place.", one), { icon: "pause", key: "p", kind: "small" }),
          can("cancel_item") && button("Stop", () => stop(item, one), { kind: "danger small", icon: "stop", key: "X" }),
        ].filter(Boolean)
      : []),
  );
  renew(
    body,
    el(
      "div",
      { class: "page stack" },
      el(
        "header",
        { class: "run-head", "data-key": "head" },
        el("p", { class: "row" }, stateChip(item?.state || run.state), run.workflow && (can("list_workflows") ? el("a", { href: `/workflows/${run.workflow}` }, `${run.workflow} ${run.workflow_version || ""}`) : chip(run.workflow)), run.pins?.agent && chip(run.pins.agent, { icon: "model" })),
        el("h2", {}, item ? el("a", { class: "quiet", href: `/work/${run.item_id}` }, item.request) : run.run_id),
        el("p", { class: "muted small" }, "began ", at(run.started_at), run.finished_at && [", ended ", at(run.finished_at)], item?.origin === "schedule" && [" · ", bySchedule(item)], run.receipt && ` · ${receipt(run.receipt)}`),
      ),
      waits(run),
      trace?.spans.length > 0 && card("Timeline", waterfall(trace.spans, view, () => paint(run, trace, turns))),
      run.effects.length > 0 && card("Effects, and who let them", el("ul", { class: "effects" }, run.effects.map((/** @type {any} */ effect) => effectLine(effect)))),
      turns?.agent ? card("Transcript", transcript(turns)) : card("Steps", stepList(run.steps)),
      el("p", { class: "muted small mono" }, `${run.run_id} · trace ${run.trace_id}`),
    ),
  );
}
/** Why it waited, and who decided. @param {any} run */
function waits(run) {
  const cards = (item?.approvals || []).filter((/** @type {any} */ one) => run.effects.some((/** @type {any} */ effect) => effect.effect_id === one.effect_id));
  if (!cards.length && !item?.why_here) return null;
  return el(
    "div",
    { class: "card", "data-key": "waits" },
    el("header", {}, el("h2", {}, "Why it waited, and who decided")),
    item?.why_here && isOpen(item) && el("p", {}, item.why_here),
    el("ul", { class: "effects" }, cards.map((/** @type {any} */ one) => el("li", { "data-key": one.approval_id }, icon("clock"), el("div", { class: "grow" }, el("p", {}, el("a", { href: `/approvals/${one.approval_id}` }, one.card.title), " ", stateChip(one.state)), el("p", { class: "muted small" }, "asked ", at(one.created_at), one.decided_at ? [", decided ", at(one.decided_at), one.decided_by.length ? ` by ${one.decided_by.join(", ")}` : "", one.reason ? `: “${one.reason}”` : ""] : [", expires ", since(one.expires_at)]), el("p", { class: "muted small" }, one.card.reason))))),
  );
}
/** @param {any} effect */
function effectLine(effect) {
  return el(
    "li",
    { "data-key": effect.effect_id },
    icon("outside"),
    el("div", { class: "grow" }, el("p", {}, effect.preview), el("p", { class: "muted small" }, `${effect.decision}: ${effect.rules.join("; ")}`), effect.error && el("p", { class: "bad small" }, effect.error.message)),
    stateChip(effect.state),
    can("why_effect") && button("Why", () => why(effect), { kind: "small" }),
  );
}
/** @param {any} effect */
async function why(effect) {
  try {
    const found = await api(`/runs/${runId}/why/${effect.effect_id}`);
    const pairs = [["Decision", found.decision], ["Rules", found.rules.join("; ")], ["Reason", found.reason], ["Nearest miss", found.near_miss], ["Rules' digest", found.bundle_digest], ...Object.entries(found.facts || {}).map(([name, value]) => [name.replaceAll("_", " "), brief(value, 400)])];
    dialog({ label: "Why" }, el("div", { class: "inside" }, el("header", {}, el("h2", {}, "Why this was decided so"), el("button", { type: "button", class: "bare icon push", "data-close": true, "aria-label": "Close" }, icon("x"))), el("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]))));
  } catch (error) {
    told(error);
  }
}

let due = 0;
function soon() {
  due ||= setTimeout(() => {
    due = 0;
    if (runId) one();
    else settle();
  }, 250);
}
onNews((news) => {
  const mine = !runId || (item && (news.item_id === item.item_id || news.root_id === item.item_id));
  if (mine && (runId || /^item\.|^run\./.test(news.kind))) soon();
});
onState((state) => state === "reload" && (runId ? one() : settle()));

if (runId) {
  one();
  bind("n", "Nudge", () => item && isOpen(item) && nudge(item, one));
  bind("p", "Pause, or go on", () => item && isOpen(item) && act(() => api(`/items/${item.item_id}/${item.paused || item.pausing ? "resume" : "pause"}`, { body: {} }), item.paused ? "It goes on." : "It stops at the next safe place.", one));
  bind("X", "Stop it", () => item && isOpen(item) && stop(item, one));
  bind("u Escape", "All runs", () => location.assign("/runs"));
} else {
  tools.append(
    el("select", { id: "state", class: "compact", "aria-label": "Show", onchange: () => listed() }, [["", "All"], ["open", "Open"], ["done", "Done"], ["failed", "Failed"], ["denied", "Denied"]].map(([value, words]) => el("option", { value }, words))),
  );
  listed();
}
