// One request: where it stands and why, what it asks, what it changed, what hangs under it; and everything a person may do with it.
import { boot, button, can, card, cut, el, icon, notice, stateChip } from "./dom.js";
import { iconOf } from "./effects.js";
import { api } from "./net.js";
import { askText, dialog } from "./shell.js";
import { at, fromLocal, now, since } from "./times.js";
import { act } from "./toast.js";
import { brief, lasted, receipt, slots, waitWords } from "./values.js";

export const FINAL = ["done", "failed", "denied", "needs_model", "over_budget", "cancelled"];
/** @param {any} item */
export const isOpen = (item) => !FINAL.includes(item.state);

/** @param {any} item the whole document @param {() => void} changed after something was done */
export function sections(item, changed) {
  const mine = item.requester === boot.who || boot.roles.some((one) => ["admin", "operator"].includes(one));
  return [
    el(
      "header",
      { class: "card-head" },
      el(
        "div",
        { class: "grow" },
        el("p", { class: "row" }, stateChip(item.state, waitWords(item)), item.position && el("span", { class: "muted small" }, `number ${item.position} in the list`)),
        el("h2", { tabindex: "-1" }, item.request),
        el("p", { class: "muted small" }, item.requester, " · asked ", since(item.created_at), item.due && [" · due ", at(item.due)], item.priority !== 100 && ` · priority ${item.priority}`, item.origin === "schedule" && [" · ", bySchedule(item)], item.origin === "trigger" && [" · ", el("a", { href: "/schedules" }, "by a standing order")], item.origin === "agent" && item.parent && [" · ", el("a", { href: `/work/${item.parent}` }, "by an agent")]),
      ),
    ),
    item.why_here && isOpen(item) && el("p", { class: "whyhere" }, icon("clock"), el("span", {}, item.why_here)),
    mine && questions(item, changed),
    item.error && el("div", { class: "notice" }, el("b", {}, item.error.message || item.error.code), item.error.fix && el("p", { class: "muted" }, `What to do: ${item.error.fix}`)),
    item.schedule?.state === "failed" && el("div", { class: "notice" }, el("b", {}, `Not as its schedule expects: ${item.schedule.why}`), el("p", { class: "muted" }, "What to do: ", el("a", { href: `/schedules#${item.schedule.schedule_id}` }, `look at ${item.schedule.name}`), ", where it can be run again.")),
    item.text && card(item.state === "done" ? "Answer" : "So far", el("div", { class: "pre" }, item.text)),
    item.effects.length > 0 && card("What it changes outside", el("ul", { class: "effects" }, item.effects.map((/** @type {any} */ one) => effect(one, item)))),
    item.needs.length > 0 && card("Needs to be done first", related(item.needs)),
    item.needed_by.length > 0 && card("Waits for this to be done", related(item.needed_by)),
    item.agents.length > 0 && card("Tasks below it", el("ul", { class: "tree" }, item.agents.map((/** @type {any} */ one) => agent(one, item)))),
    item.match && card("How it was understood", match(item)),
    card(
      "Where it came from, what it took",
      el("p", {}, isOpen(item) ? spent(item) : receipt(item.receipt)),
      el("p", { class: "row small" }, item.run_id && el("a", { href: `/runs/${item.run_id}` }, "Steps and timeline of its run"), item.parent && el("a", { href: `/work/${item.parent}` }, "The request above it"), can("list_audit") && el("a", { href: `/audit?item=${item.item_id}` }, "In the audit chain")),
      el("p", { class: "muted small mono" }, item.item_id),
    ),
  ];
}

/** What made it, at its own place on the page of schedules. @param {any} item */
export const bySchedule = (item) => (item.schedule && item.requester === boot.who ? el("a", { href: `/schedules#${item.schedule.schedule_id}` }, `by the schedule ${item.schedule.name}`) : item.schedule ? `by the schedule ${item.schedule.name}` : "by a schedule");

/** @param {any[]} others other requests that this one is bound to */
const related = (others) => el("ul", { class: "tree" }, others.map((one) => el("li", { class: "row", "data-key": one.item_id }, el("a", { href: `/work/${one.item_id}` }, one.request), stateChip(one.state))));

/** What it has used up to now: a receipt comes at the end. @param {any} item */
function spent(item) {
  const used = Object.entries(item.budget || {}).filter(([, amounts]) => amounts.used);
  return used.length ? `So far: ${used.map(([name, amounts]) => `${name.replaceAll("_", " ")} ${amounts.used}${amounts.most ? ` of ${amounts.most}` : ""}`).join(" · ")}` : "Its receipt comes when it has ended.";
}
/** @param {any} one @param {any} item */
function effect(one, item) {
  const card = item.approvals.find((/** @type {any} */ approval) => approval.effect_id === one.effect_id && approval.state === "pending");
  return el(
    "li",
    { "data-key": one.effect_id },
    icon(iconOf(one.tool)),
    el("div", { class: "grow" }, el("p", {}, cut(one.preview || one.tool, 160)), one.error && el("p", { class: "small bad" }, one.error.message), one.decision !== "allow" && el("p", { class: "muted small" }, `${one.decision}: ${one.rules.join("; ")}`)),
    card ? el("a", { class: "btn small", href: `/approvals/${card.approval_id}` }, "Decide") : stateChip(one.state),
  );
}
/** @param {any} one @param {any} item */
function agent(one, item) {
  const budget = Object.entries(one.budget || {}).filter(([, amounts]) => amounts.most);
  return el(
    "li",
    { class: one.parent === item.item_id ? "" : "deeper", "data-key": one.item_id },
    el("div", { class: "row" }, stateChip(one.state, waitWords(one)), el("b", {}, one.name || "task"), one.run_id && el("a", { class: "small push", href: `/runs/${one.run_id}` }, "its run")),
    el("p", {}, el("a", { class: "quiet", href: `/work/${one.item_id}` }, cut(one.request, 140))),
    one.why_here && el("p", { class: "muted small" }, one.why_here),
    budget.length > 0 && el("p", { class: "muted small" }, budget.map(([name, amounts]) => `${name.replaceAll("_", " ")} ${amounts.used} of ${amounts.most}`).join(" · ")),
  );
}
/** @param {any} item */
function match(item) {
  const { match } = item;
  const words = { match: "Matched the workflow", workflow: "Ran the workflow you named", agent: "No workflow was sure enough; nearest" }[/** @type {"match"} */ (item.route)] || "Nearest workflow";
  return [
    el("p", {}, `${words} `, match.workflow && can("list_workflows") ? el("a", { href: `/workflows/${match.workflow}` }, match.workflow) : el("b", {}, match.workflow || "none"), match.version && el("span", { class: "muted" }, ` ${match.version}`)),
    match.score !== undefined && match.score !== null && el("p", { class: "muted small" }, `score ${Number(match.score).toFixed(2)}, needs ${Number(match.threshold || 0).toFixed(2)}${match.runner_up ? ` · ${Number(match.margin).toFixed(2)} ahead of ${match.runner_up}` : ""}`),
    (match.why || []).map((/** @type {string} */ why) => el("p", { class: "muted small" }, why)),
    slots(item.slots),
  ];
}

/** Open questions with a key for each choice. @param {any} item @param {() => void} changed */
function questions(item, changed) {
  return item.questions.map((/** @type {any} */ one) =>
    el(
      "div",
      { class: "question", role: "group", "aria-label": "Question", "data-key": one.question_id },
      el("h3", {}, icon("ask"), " ", one.text),
      one.choices.map((/** @type {string} */ choice, /** @type {number} */ at) => el("button", { type: "button", class: "choice", onclick: () => answer(item, one, choice, changed) }, el("kbd", { "aria-hidden": "true" }, String(at + 1)), el("span", {}, choice))),
      el("p", {}, button(one.choices.length ? "Say it in other words…" : "Answer…", () => answerFreely(item, one, changed), { kind: one.choices.length ? "bare small" : "primary small", id: "answer-freely" })),
    ),
  );
}
/** @param {any} item @param {any} question @param {string} text @param {() => void} changed */
export async function answer(item, question, text, changed) {
  await act(() => api(`/items/${item.item_id}/answer`, { body: { text, question_id: question.question_id } }), "Answered.", changed);
}
/** @param {any} item @param {any} question @param {() => void} changed */
export async function answerFreely(item, question, changed) {
  const text = await askText({ title: question.text, label: "Your answer", action: "Answer" });
  if (text) await answer(item, question, text, changed);
}

// ---- what a person may do -------------------------------------------------------------------------------------------
/** @param {any} item @param {() => void} changed @param {{top?: () => void}} [more] */
export function actions(item, changed, more = {}) {
  if (!isOpen(item)) return el("div", { class: "actions" }, el("span", { class: "muted" }, "Ended ", since(item.finished_at), item.started_at && item.finished_at ? ` after ${lasted(Date.parse(item.finished_at) - Date.parse(item.created_at))}` : ""));
  const path = `/items/${item.item_id}`;
  return el(
    "div",
    { class: "actions", role: "group", "aria-label": "Do" },
    can("nudge_item") && button("Nudge", () => nudge(item, changed), { icon: "nudge", key: "n" }),
    more.top && button("To the top", more.top, { icon: "top", key: "b" }),
    can("change_item") && button("Snooze", () => snooze(item, changed), { icon: "snooze", key: "s" }),
    item.paused || item.pausing
      ? can("resume_item") && button("Go on", () => act(() => api(`${path}/resume`, { body: {} }), "It goes on.", changed), { icon: "play", key: "p" })
      : can("pause_item") && button("Pause", () => act(() => api(`${path}/pause`, { body: {} }), "It stops at the next safe place.", changed), { icon: "pause", key: "p" }),
    can("cancel_item") && button("Stop", () => stop(item, changed), { kind: "danger", icon: "stop", key: "X" }),
  );
}
/** @param {any} item @param {() => void} changed */
export async function nudge(item, changed) {
  const text = await askText({ title: "Nudge", label: "A remark, heard at its next safe place, e.g. “not Monday”", action: "Send" });
  if (text) await act(() => api(`/items/${item.item_id}/nudge`, { body: { text } }), "It hears that at its next safe place.", changed);
}
/** @param {any} item @param {() => void} changed */
export async function stop(item, changed) {
  const reason = await askText({ title: "Stop this request?", label: "It and its tasks end; cards are void. Why? (may stay empty)", action: "Stop it", kind: "danger", optional: true });
  if (reason !== null) await act(() => api(`/items/${item.item_id}/cancel`, { body: reason ? { reason } : {} }), "Stopped.", changed);
}
/** @param {any} item @param {() => void} changed */
export function snooze(item, changed) {
  const morning = (/** @type {number} */ days) => {
    const then = new Date(now());
    then.setDate(then.getDate() + days);
    then.setHours(9, 0, 0, 0);
    return then;
  };
  const until = (/** @type {Date} */ then) => {
    box.close();
    act(() => api(`/items/${item.item_id}`, { method: "PATCH", body: { snooze_until: then.toISOString() } }), "It sleeps until then.", changed);
  };
  const field = el("input", { type: "datetime-local", id: "until" });
  const box = dialog(
    { label: "Snooze" },
    el(
      "div",
      { class: "inside" },
      el("header", {}, el("h2", {}, "Snooze until")),
      [["In an hour", new Date(now() + 3600000)], ["Tomorrow, 09:00", morning(1)], ["Next Monday, 09:00", morning(((8 - new Date(now()).getDay()) % 7) || 7)]].map(([words, then]) => el("button", { type: "button", class: "choice", onclick: () => until(/** @type {Date} */ (then)) }, words)),
      el("div", { class: "field" }, el("label", { for: "until" }, "Or at (your time)"), field),
      el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), button("Snooze", () => field.value && until(new Date(fromLocal(field.value))), { kind: "primary" })),
    ),
  );
}
export { brief, notice };
