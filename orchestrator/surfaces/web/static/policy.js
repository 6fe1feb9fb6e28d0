// The rules in force, and a bench: what would happen to a request, and to a call made for it. Nothing is done.
import { $, card, chip, el, icon, labelled, notice } from "./dom.js";
import { levelChip } from "./people.js";
import { api } from "./net.js";
import { folded } from "./values.js";

const body = $("#body");
const FILES = { "base.cedar": "What nobody can override", "approvals.cedar": "What a person may approve", "limits.cedar": "Limits", "careful.cedar": "Profile: careful", "delegated.cedar": "Profile: delegated" };
const profile = el("select", { class: "compact", "aria-label": "Profile", onchange: () => load() }, el("option", { value: "careful" }, "Careful"), el("option", { value: "delegated" }, "Delegated"));
const rules = el("div", { class: "stack" });
const answer = el("div", { role: "status" });

const request = el("input", { id: "b-request", required: true, value: "Set up a call with Dana Ruiz" });
const tool = el("input", { id: "b-tool", list: "tools-known", placeholder: "e.g. mail.send; empty: only what the words grant", autocomplete: "off" });
const args = el("textarea", { id: "b-args", class: "short mono", value: '{"to": ["dana.ruiz@brightwater.example"], "subject": "Call", "body": "Shall we talk?"}', spellcheck: "false" });
const bench = el(
  "form",
  { class: "stack", onsubmit: test },
  labelled("A person asks", request),
  labelled("and a call of", tool),
  labelled("with", args),
  el("p", {}, el("button", { class: "primary" }, "What would happen?")),
);

/** @param {Event} event */
async function test(event) {
  event.preventDefault();
  try {
    /** @type {any} */
    const said = { request: request.value, profile: profile.value };
    if (tool.value.trim()) said.call = { tool: tool.value.trim(), args: JSON.parse(args.value || "{}") };
    const told = await api("/policy/explain", { body: said });
    const decision = told.decision;
    answer.replaceChildren(
      decision ? verdict(decision) : "",
      card("What the words grant", told.grant.clauses?.length ? el("ul", {}, told.grant.clauses.map((/** @type {any} */ one) => el("li", {}, chip(one.effect, { kind: "info" }), ` ${one.noun}`, one.quotas && el("span", { class: "muted small" }, ` ${Object.entries(one.quotas).map(([name, most]) => `at most ${most} × ${name}`).join(", ")}`)))) : el("p", { class: "muted" }, "Reading only.")),
    );
  } catch (error) {
    answer.replaceChildren(notice(error instanceof SyntaxError ? { message: "the arguments are no JSON", fix: 'write an object, e.g. {"to": ["…"]}' } : /** @type {any} */ (error)));
  }
}
/** @param {any} decision */
function verdict(decision) {
  const [kind, name, words] = { allow: ["ok", "check", "It goes out"], ask: ["warn", "clock", "A person is asked"], deny: ["bad", "x", "It is refused"] }[/** @type {"ask"} */ (decision.effect)];
  return el(
    "section",
    { class: "card" },
    el("header", {}, chip(words, { kind, icon: name }), el("h2", {}, decision.reason)),
    el("p", { class: "muted" }, icon("shield"), ` ${decision.rules.join("; ")}`),
    decision.near_miss && el("p", {}, `Nearest miss: ${decision.near_miss}`),
    el("ul", { class: "reach" }, (decision.facts.identities || []).map((/** @type {any} */ one) => el("li", {}, el("span", {}, `${one.arg}: ${one.value}`), levelChip(one.level, one.why)))),
    folded("Every fact", decision.facts),
  );
}

async function load() {
  try {
    const asked = profile.value;
    const told = await api("/policy/rules", { query: { profile: asked } });
    if (asked !== profile.value) return; // another one was chosen meanwhile
    /** @type {Map<string, any[]>} */
    const files = new Map();
    for (const one of told.rules) files.set(one.file, [...(files.get(one.file) || []), one]);
    rules.replaceChildren(
      ...[...files].map(([file, all]) =>
        card(FILES[/** @type {"base.cedar"} */ (file)] || file, el("ul", { class: "rules" }, all.map((one) => el("li", { class: "row" }, chip(one.effect === "forbid" ? "never" : "may", { kind: one.effect === "forbid" ? "bad" : "ok", icon: one.effect === "forbid" ? "x" : "check" }), el("span", {}, one.id)))), el("p", { class: "muted small mono" }, file)),
      ),
      el("p", { class: "muted small mono" }, told.digest),
    );
  } catch (error) {
    rules.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
$("#tools").append(profile);
body.replaceChildren(el("div", { class: "page two" }, el("div", { class: "stack" }, card("What would happen to …", bench), answer), rules));
api("/settings").then((told) => {
  profile.value = told.settings.find((/** @type {any} */ one) => one.name === "profile")?.value || "careful";
}, () => {}).then(load);
api("/capabilities").then((told) => {
  const names = (told.tools || []).map((/** @type {any} */ one) => one.name || one);
  bench.append(el("datalist", { id: "tools-known" }, names.map((/** @type {string} */ name) => el("option", { value: name }))));
}, () => {});
