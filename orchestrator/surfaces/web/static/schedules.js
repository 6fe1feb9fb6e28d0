// Schedules: when, what, what became of each time; each has a place of its own on the page, by its id or name.
import { $, button, can, chip, el, empty, facts, notice, stateChip } from "./dom.js";
import { digestCard } from "./digest.js";
import { onNews } from "./live.js";
import { api, oneAtATime } from "./net.js";
import { ordersCard } from "./orders.js";
import { renew } from "./renew.js";
import { limitWords, MISSED, OVERLAP, scheduleForm, waitWords } from "./schedule_form.js";
import { confirm } from "./shell.js";
import { at, since } from "./times.js";
import { act } from "./toast.js";

const body = $("#body");
const load = oneAtATime(async () => {
  try {
    const [page, orders, digest] = await Promise.all([api("/schedules"), can("list_triggers") ? api("/triggers").catch(() => null) : null, can("schedule_digest") ? api("/schedules/digest").catch(() => null) : null]);
    renew(
      body,
      el(
        "div",
        { class: "page stack" },
        digest && digestCard(digest, load),
        page.schedules.length ? el("ul", { class: "stack", "data-key": "schedules" }, page.schedules.map(row)) : empty({ icon: "clock", title: "Nothing is scheduled", text: "A schedule asks in your words at set times, with your accounts.", command: 'deputy schedule add morning --when "weekdays 07:30" --ask "Give me my morning brief"' }),
        orders && ordersCard(orders, load),
      ),
    );
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), load));
  }
});
/** Shows the schedule that the address names, open. */
function meet() {
  const wanted = location.hash.slice(1);
  const found = wanted && [.../** @type {NodeListOf<HTMLElement>} */ (body.querySelectorAll("li[data-name]"))].find((one) => [one.id, one.dataset.name, encodeURIComponent(one.dataset.name || "")].includes(wanted));
  if (!found) return;
  $("details", found).open = true;
  found.scrollIntoView({ block: "start" });
  found.focus({ preventScroll: true });
}
/** @param {any} one */
function row(one) {
  const path = `/schedules/${encodeURIComponent(one.schedule_id)}`;
  const paused = one.state !== "active";
  const ask = (/** @type {string} */ verb, /** @type {string} */ words) => () => act(() => api(`${path}/${verb}`, { body: {} }), words, load);
  return el(
    "li",
    { class: "card", id: one.schedule_id, "data-name": one.name, tabindex: "-1" },
    el(
      "header",
      {},
      el("h2", {}, one.name),
      paused ? chip(one.state, { kind: "warn", icon: "pause" }) : chip(one.rule, { icon: "clock" }),
      el(
        "span",
        { class: "row push" },
        can("run_schedule") && button("Run now", ask("run", "It runs once, beside its times."), { icon: "play", kind: "small", label: `Run now: ${one.name}` }),
        can("change_schedule") && button("Edit", () => scheduleForm(load, { one }), { kind: "small", label: `Edit ${one.name}` }),
        paused ? can("resume_schedule") && button("Resume", ask("resume", "It goes on with the next time."), { icon: "play", kind: "small", label: `Resume ${one.name}` }) : can("pause_schedule") && button("Pause", ask("pause", "Its times pass by."), { icon: "pause", kind: "small", label: `Pause ${one.name}` }),
        can("remove_schedule") && button("Remove", () => remove(one, path), { kind: "danger small", label: `Remove ${one.name}` }),
      ),
    ),
    el("p", {}, one.request || one.kind),
    el("p", { class: "row small" }, one.next_at && el("span", { class: "muted" }, "next ", at(one.next_at), " (", since(one.next_at), ")"), one.firings[0] && fired(one.firings[0], "last ")),
    el(
      "details",
      {},
      el("summary", {}, "What it says, and its latest times"),
      facts([
        ["When", one.rule],
        ["As", one.owner],
        ["By", one.options.workflow || one.options.agent],
        ["If missed", MISSED[one.missed]],
        ["If the last one works", OVERLAP[one.overlap]],
        ["What it asks waits", one.kind !== "digest" && waitWords(one.unattended)],
        ["Limits of a run", one.kind !== "digest" && (limitWords(one.options.budget) || "the usual ones")],
        ["Expects", one.expects.join(" and ") || "that it is done"],
      ]),
      el("h3", { class: "apart" }, "Latest times"),
      one.firings.length ? el("ul", { class: "stack" }, one.firings.map((/** @type {any} */ time) => el("li", { class: "row small" }, fired(time)))) : el("p", { class: "muted small" }, "It has not come yet."),
    ),
  );
}
/** @param {any} time @param {string} [words] */
const fired = (time, words = "") => [el("span", { class: "muted" }, words, at(time.at)), stateChip(time.state), time.item_id && el("a", { href: `/work/${time.item_id}` }, "its request"), time.why && el("span", { class: "muted" }, time.why)];
/** @param {any} one @param {string} path */
async function remove(one, path) {
  if (!(await confirm({ title: `Remove “${one.name}”?`, text: "What it has asked so far stays.", action: "Remove", keep: "Keep it" }))) return;
  await act(() => api(path, { method: "DELETE" }), "Removed.", load);
}
if (can("add_schedule")) $("#tools").append(button("New", () => scheduleForm(load), { icon: "plus", kind: "primary small" }));
load().then(meet);
addEventListener("hashchange", meet);
const wanted = new URLSearchParams(location.search).get("ask");
if (wanted && can("add_schedule")) scheduleForm(load, { words: wanted });
onNews((news) => /^schedule/.test(news.kind) && !document.querySelector("dialog[open]") && load());
