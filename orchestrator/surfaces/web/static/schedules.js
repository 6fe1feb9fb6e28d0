// Schedules: when, what, what became of each time; a rule is tried before it is kept.
import { $, button, can, chip, el, empty, notice, stateChip } from "./dom.js";
import { digestCard } from "./digest.js";
import { onNews } from "./live.js";
import { api } from "./net.js";
import { ordersCard } from "./orders.js";
import { confirm, dialog } from "./shell.js";
import { at, since } from "./times.js";
import { told, toast } from "./toast.js";

const body = $("#body");
async function load() {
  try {
    const [page, orders, digest] = await Promise.all([api("/schedules"), can("list_triggers") ? api("/triggers").catch(() => null) : null, can("schedule_digest") ? api("/schedules/digest").catch(() => null) : null]);
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        digest && digestCard(digest, load),
        page.schedules.length ? el("ul", { class: "stack" }, page.schedules.map(row)) : empty({ icon: "clock", title: "Nothing is scheduled", text: "A schedule asks in your words at set times, with your accounts.", command: 'deputy schedule add morning --when "weekdays 07:30" --ask "Give me my morning brief"' }),
        orders && ordersCard(orders, load),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
/** @param {any} one */
function row(one) {
  const path = `/schedules/${encodeURIComponent(one.schedule_id)}`;
  const paused = one.state !== "active";
  const last = one.firings?.[0];
  const act = (/** @type {string} */ verb, /** @type {string} */ words) => async () => {
    try {
      await api(`${path}/${verb}`, { body: {} });
      toast(words, { kind: "ok" });
    } catch (error) {
      told(error);
    }
    load();
  };
  return el(
    "li",
    { class: "card" },
    el("header", {}, el("h2", {}, one.name), paused ? chip("paused", { kind: "warn", icon: "pause" }) : chip(one.rule, { icon: "clock" }), el("span", { class: "row push" }, can("run_schedule") && button("Run now", act("run", "It runs once, beside its times."), { icon: "play", kind: "small" }), paused ? can("resume_schedule") && button("Resume", act("resume", "It goes on with the next time."), { icon: "play", kind: "small" }) : can("pause_schedule") && button("Pause", act("pause", "Its times pass by."), { icon: "pause", kind: "small" }), can("remove_schedule") && button("Remove", () => remove(one, path), { kind: "danger small" }))),
    el("p", {}, one.request || one.kind),
    el("p", { class: "muted small" }, one.next_at && ["next ", at(one.next_at), " (", since(one.next_at), ") · "], `missed: ${one.missed} · overlap: ${one.overlap}`),
    last && el("p", { class: "row small" }, "last ", at(last.at), stateChip(last.state || last.outcome || "done"), last.item_id && el("a", { href: `/work/${last.item_id}` }, "its request"), last.why && el("span", { class: "muted" }, last.why)),
  );
}
/** @param {any} one @param {string} path */
async function remove(one, path) {
  if (!(await confirm({ title: `Remove “${one.name}”?`, text: "What it has asked so far stays.", action: "Remove", keep: "Keep it" }))) return;
  try {
    await api(path, { method: "DELETE" });
    toast("Removed.", { kind: "ok" });
  } catch (error) {
    told(error);
  }
  load();
}
function add(words = "") {
  const name = el("input", { id: "s-name", required: true, maxlength: "80", placeholder: "morning" });
  const when = el("input", { id: "s-when", required: true, placeholder: "weekdays 07:30 · 0 9 * * 1 · FREQ=WEEKLY;BYDAY=FR;BYHOUR=16" });
  const request = el("textarea", { id: "s-request", required: true, placeholder: "Give me my morning brief", value: words });
  const missed = el("select", { id: "s-missed" }, [["run-latest", "run the latest once"], ["skip", "skip it"], ["run-all", "run each"]].map(([value, words]) => el("option", { value }, words)));
  const overlap = el("select", { id: "s-overlap" }, [["skip", "skip the new one"], ["queue", "queue it"], ["replace", "replace the old one"]].map(([value, words]) => el("option", { value }, words)));
  const next = el("div", { role: "status", class: "small" });
  let trying = 0;
  when.addEventListener("input", () => {
    clearTimeout(trying);
    trying = setTimeout(async () => {
      if (!when.value.trim()) return next.replaceChildren();
      try {
        const found = await api("/schedules/preview", { body: { when: when.value.trim(), count: 5 } });
        next.replaceChildren(el("p", { class: "muted" }, `${found.rule}, next:`), el("ol", {}, found.next.map((/** @type {any} */ one) => el("li", {}, at(one.at), one.note && el("span", { class: "muted" }, ` ${one.note}`)))));
      } catch (error) {
        const problem = /** @type {any} */ (error);
        next.replaceChildren(el("p", { class: "bad" }, problem.message, problem.fix && ` · ${problem.fix}`));
      }
    }, 250);
  });
  const pair = (/** @type {string} */ words, /** @type {any} */ field) => el("div", { class: "field" }, el("label", { for: field.id }, words), field);
  const form = el(
    "form",
    { class: "inside stack" },
    el("header", {}, el("h2", {}, "New schedule")),
    pair("Name", name),
    pair("When (your own zone, unless it names one)", when),
    next,
    pair("Asks", request),
    el("div", { class: "grid" }, pair("If a time was missed", missed), pair("If the last one still works", overlap)),
    el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, "Add")),
  );
  const box = dialog({ label: "New schedule" }, form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await api("/schedules", { body: { name: name.value.trim(), when: when.value.trim(), request: request.value.trim(), missed: missed.value, overlap: overlap.value } });
      box.close();
      toast("Added.", { kind: "ok" });
      load();
    } catch (error) {
      const problem = /** @type {any} */ (error);
      next.replaceChildren(notice(problem));
    }
  });
  name.focus();
}
if (can("add_schedule")) $("#tools").append(button("New", () => add(), { icon: "plus", kind: "primary small" }));
load();
const wanted = new URLSearchParams(location.search).get("ask");
if (wanted && can("add_schedule")) add(wanted);
onNews((news) => /^schedule/.test(news.kind) && !document.querySelector("dialog[open]") && load());
