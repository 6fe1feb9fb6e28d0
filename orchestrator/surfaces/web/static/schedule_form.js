// A schedule, made or changed: what it asks and when, within which limits, what becomes of what nobody answers.
import { el, labelled, notice } from "./dom.js";
import { api } from "./net.js";
import { dialog } from "./shell.js";
import { at } from "./times.js";
import { toast } from "./toast.js";

/** @type {Record<string, string>} */
export const MISSED = { "run-latest": "run the latest once", skip: "skip it", "run-all": "run each" };
/** @type {Record<string, string>} */
export const OVERLAP = { skip: "skip the new one", queue: "queue it", replace: "replace the old one" };
/** @type {Record<string, string>} */
const THEN = { deny: "no: an open question ends the run", default: "my answer to a question" };
/** As the store calls it, in words, one of theirs in ours. @type {[string, string, number][]} */
const LIMITS = [["model_calls", "Model calls", 1], ["tokens", "Tokens", 1], ["cost_microusd", "US dollars", 1_000_000], ["wall_ms", "Minutes", 60_000], ["effects", "Effects", 1]];

/** @param {Record<string, number>} [budget] */
export const limitWords = (budget) => LIMITS.filter(([name]) => budget && name in budget).map(([name, words, unit]) => `${words} ${Number(/** @type {any} */ (budget)[name]) / unit}`).join(" · ");
/** @param {any} wait */
export const waitWords = (wait) => (!wait ? "as long as each does by itself" : wait.then === "deny" ? `until ${wait.until}, then no` : `until ${wait.until}; then “${wait.answer}” answers a question that offers it, and a card is denied`);

/** @param {Record<string, string>} choices @param {string} id @param {string} [chosen] */
const select = (choices, id, chosen) => el("select", { id }, Object.entries(choices).map(([value, words]) => el("option", { value, selected: value === chosen }, words)));

/** @param {() => void} again after it was kept @param {{one?: any, words?: string}} [of] the schedule that is changed, or a new one's request */
export function scheduleForm(again, { one, words = "" } = {}) {
  const title = one ? `Edit ${one.name}` : "New schedule";
  const isDigest = one?.kind === "digest";
  const rule = one ? `${one.when} ${one.zone}` : "";
  const name = el("input", { id: "s-name", required: true, maxlength: "80", placeholder: "morning" });
  const when = el("input", { id: "s-when", required: true, placeholder: "weekdays 07:30 · 0 9 * * 1 · FREQ=WEEKLY;BYDAY=FR;BYHOUR=16", value: rule });
  const request = el("textarea", { id: "s-request", required: true, placeholder: "Give me my morning brief", value: one?.request || words });
  const missed = select(MISSED, "s-missed", one?.missed);
  const overlap = select(OVERLAP, "s-overlap", one?.overlap);
  const until = el("input", { id: "s-until", placeholder: "10:00 or 2h30m", value: one?.unattended?.until || "" });
  const then = select(THEN, "s-then", one?.unattended?.then);
  const answer = el("input", { id: "s-answer", maxlength: "1000", value: one?.unattended?.answer || "" });
  const expects = el("textarea", { id: "s-expects", rows: 2, placeholder: "effects>=1", value: (one?.expects || []).join("\n") });
  const limits = LIMITS.map(([limit, words, unit]) => ({ limit, unit, words, field: el("input", { id: `s-${limit}`, type: "number", min: "0", step: unit === 1 ? "1" : "any", value: one?.options.budget?.[limit] === undefined ? "" : String(one.options.budget[limit] / unit) }) }));
  const next = el("div", { role: "status", class: "small" });
  const said = el("div", { role: "status" });
  tried(when, next);
  const answered = labelled("Answer: the name of a choice", answer);
  const shown = () => {
    answered.hidden = then.value !== "default";
    answer.required = !answered.hidden;
  };
  then.addEventListener("change", shown);
  shown();
  const read = () => {
    const options = { ...(one?.options || {}) };
    const budget = Object.fromEntries(limits.filter(({ field }) => field.value !== "").map(({ limit, unit, field }) => [limit, Math.round(Number(field.value) * unit)]));
    delete options.budget;
    if (Object.keys(budget).length) options.budget = budget;
    const waits = until.value.trim();
    /** @type {Record<string, any>} */
    const found = { when: when.value.trim(), missed: missed.value, overlap: overlap.value, options, expects: expects.value.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean), unattended: waits ? { until: waits, then: then.value, answer: then.value === "default" ? answer.value.trim() : null } : null };
    if (!isDigest) found.request = request.value.trim();
    return found;
  };
  const before = read();
  const form = el(
    "form",
    { class: "inside stack" },
    el("header", {}, el("h2", {}, title)),
    !one && labelled("Name", name),
    labelled("When (your own zone, unless it names one)", when),
    next,
    !isDigest && labelled("Asks", request),
    el("div", { class: "grid" }, labelled("If a time was missed", missed), labelled("If the last one still works", overlap)),
    !isDigest && [
      el("fieldset", { class: "stack" }, el("legend", {}, "While nobody answers"), el("div", { class: "grid" }, labelled("Wait until (a time in its zone, or so long)", until), labelled("Then", then)), answered, el("p", { class: "muted small" }, "Its cards are denied then, either way: nobody approves what they have not seen.")),
      el("fieldset", {}, el("legend", {}, "Limits of each run (empty: the usual ones)"), el("div", { class: "limits" }, limits.map(({ words, field }) => labelled(words, field)))),
      labelled("Expects of each run (one check a line; all must hold)", expects),
    ],
    said,
    el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, one ? "Keep" : "Add")),
  );
  const box = dialog({ label: title }, form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const found = read();
    const changed = Object.fromEntries(Object.entries(found).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(before[field])));
    try {
      if (!one) await api("/schedules", { body: { name: name.value.trim(), ...found } });
      else if (Object.keys(changed).length) await api(`/schedules/${encodeURIComponent(one.schedule_id)}`, { method: "PATCH", body: changed });
      box.close();
      toast(one ? "Kept." : "Added.", { kind: "ok" });
      again();
    } catch (error) {
      said.replaceChildren(notice(/** @type {any} */ (error)));
    }
  });
  (one ? when : name).focus();
}

/** The next times stand there while a rule is typed. @param {any} when @param {HTMLElement} next */
function tried(when, next) {
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
}
