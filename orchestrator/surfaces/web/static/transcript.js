// What a run did, step by step: an agent's turns as a conversation, a workflow's steps as a list.
import { cut, el, icon, stateChip } from "./dom.js";
import { at } from "./times.js";
import { brief, folded, lasted, money } from "./values.js";

/** @param {any} told of an agent's run */
export function transcript(told) {
  return el(
    "div",
    { class: "turns" },
    el(
      "details",
      {},
      el("summary", {}, `How it began: ${told.agent?.name || "agent"}, ${told.agent?.model || "no model"}, ${told.tools.length} tools`),
      folded("Prompt", told.prompt?.text || ""),
      folded("Told first", told.told),
      told.recalled.length > 0 && el("ul", { class: "small" }, told.recalled.map((/** @type {any} */ fact) => el("li", {}, icon("key"), " ", fact.text))),
      el("p", { class: "small muted" }, `Tools: ${told.tools.map((/** @type {any} */ tool) => tool.name).join(", ") || "none"}`),
    ),
    told.before.map(event),
    el("ol", {}, told.turns.map(turn)),
  );
}
/** @param {any} one */
function turn(one) {
  const usage = one.usage;
  const number = one.turn.replace(/^t/, "");
  return el(
    "li",
    { class: "turn", "data-key": one.turn },
    el("header", {}, el("b", {}, /^\d+$/.test(number) ? `Turn ${number}` : one.turn), at(one.at), el("span", { class: "muted small push" }, [`${usage.in + usage.out} tokens`, one.cost_microusd ? money(one.cost_microusd / 1e6) : "", one.ms ? lasted(one.ms) : "", one.model || ""].filter(Boolean).join(" · "))),
    one.text && el("div", { class: "pre says" }, one.text),
    one.calls.map(call),
    one.after.map(event),
  );
}
/** @param {any} one */
function call(one) {
  return el(
    "div",
    { class: "call" },
    el("p", { class: "row" }, stateChip(one.decision === "deny" ? "denied" : one.outcome), el("b", { class: "mono" }, one.tool), one.rules.length > 0 && one.decision !== "allow" && el("span", { class: "muted small" }, one.rules.join("; "))),
    folded("Asked", one.arguments),
    one.error ? el("p", { class: "bad small" }, one.error.message || one.error.code) : folded("Answered", one.value),
  );
}
/** @param {any} one */
function event(one) {
  const said = ["nudge", "answer", "edit", "chosen"].includes(one.kind);
  const words = one.kind === "check" ? `Result ${one.ok ? "accepted" : "refused"} by ${one.by}${one.problems?.length ? `: ${one.problems.join("; ")}` : ""}` : said ? `${one.by || "Somebody"} (${one.kind}): ${one.text || ""}` : one.text ? cut(one.text, 300) : one.kind;
  return el("p", { class: "event small" }, icon(said ? "nudge" : one.kind === "check" ? "check" : "run"), " ", words);
}

const NAMES = { match: "Match", slots: "What was filled in", "wf.now": "Time of the run", read: "Read", effect: "Effect", result: "Result", answer: "Answer", nudge: "Nudge", agent: "Agent begins", reply: "Model" };
/** Steps of a run without an agent. @param {any[]} steps */
export function stepList(steps) {
  return el(
    "ol",
    { class: "steps" },
    steps.map((step) => {
      const body = step.body || {};
      const bad = body.error;
      return el(
        "li",
        { "data-key": String(step.seq) },
        el("span", { class: `knot${bad ? " bad" : ""}` }, icon(bad ? "warn" : step.kind === "read" ? "search" : step.kind === "effect" ? "outside" : "check")),
        el(
          "div",
          { class: "grow" },
          el("p", { class: "row" }, el("b", {}, NAMES[/** @type {"read"} */ (step.kind)] || step.kind), body.tool && el("span", { class: "mono small" }, body.tool), el("span", { class: "muted small push" }, at(step.at))),
          step.kind === "slots" && Array.isArray(body) ? el("p", { class: "small" }, body.map((one) => `${one.name}: ${brief(one.value)}`).join(" · ")) : summary(step),
          body.args && folded("Asked", body.args),
          (body.result !== undefined || body.value !== undefined) && folded("Answered", body.result ?? body.value),
          bad && el("p", { class: "bad small" }, typeof bad === "string" ? bad : bad.message || bad.code),
        ),
      );
    }),
  );
}
/** @param {any} step */
function summary(step) {
  const body = step.body || {};
  if (step.kind === "match") return el("p", { class: "small muted" }, `${body.workflow || "none"}${body.score !== undefined && body.score !== null ? `, score ${Number(body.score).toFixed(2)}` : ""}. ${(body.why || []).join(" ")}`);
  if (body.text) return el("p", { class: "small" }, cut(body.text, 200));
  return step.kind === "read" || step.kind === "effect" ? null : folded("Holds", body);
}
