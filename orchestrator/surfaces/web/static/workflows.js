// The library: what it can do without a model, how often that succeeds, and its files: read, changed with checks, kept in versions.
import { $, button, can, card, chip, el, empty, icon, notice, table } from "./dom.js";
import { sparkline } from "./charts.js";
import { bind } from "./keys.js";
import { api } from "./net.js";
import { askText, offer, submit } from "./shell.js";
import { at } from "./times.js";
import { told, toast } from "./toast.js";
import { lasted } from "./values.js";

const body = $("#body");
const tools = $("#tools");
const name = /^\/workflows\/(.+)$/.exec(location.pathname)?.[1];
/** @type {Map<string, any>} */
let figures = new Map();

async function listed() {
  try {
    const [page, drawn] = await Promise.all([api("/workflows"), api("/figures/workflows").catch(() => ({ workflows: [] }))]);
    figures = new Map(drawn.workflows.map((/** @type {any} */ one) => [one.workflow, one]));
    const rows = page.workflows.map((/** @type {any} */ one) => {
      const figure = figures.get(one.name);
      return [
        el("span", {}, el("a", { href: `/workflows/${one.name}` }, one.title), el("br"), el("span", { class: "muted small mono" }, `${one.name} ${one.version}`)),
        el("span", { class: "small" }, `“${example(one)}”`),
        one.read_only ? chip("reads only", { kind: "ok", icon: "check" }) : el("span", { class: "row" }, one.tools.map((/** @type {string} */ tool) => chip(tool))),
        figure ? el("a", { href: `/runs/${figure.outcomes.at(-1).run_id}`, class: "quiet" }, sparkline(figure.outcomes)) : el("span", { class: "muted small" }, "not run yet"),
        figure?.latency_s ? lasted(figure.latency_s.p50 * 1000) : "–",
        one.own ? chip("yours", { kind: "accent" }) : chip("shipped"),
      ];
    });
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        page.faults.map((/** @type {any} */ fault) => notice({ message: `${fault.file}, line ${fault.line}: ${fault.message}`, fix: fault.fix })),
        rows.length ? table("Workflows", ["Workflow", "Say", "Changes through", "Last outcomes", "Half within", ""], rows) : empty({ icon: "flow", title: "The library is empty", text: "A workflow does a known job without a model.", command: "deputy init" }),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), listed));
  }
}

/** @type {any} */
let shown = null;
async function one() {
  try {
    const [found, drawn] = await Promise.all([api(`/workflows/${name}`), api("/figures/workflows").catch(() => ({ workflows: [] }))]);
    shown = found;
    const figure = drawn.workflows.find((/** @type {any} */ one) => one.workflow === name);
    const changes = can("save_workflow");
    const problems = el("ul", { class: "problems", "aria-live": "polite" });
    const text = el("textarea", { class: "code", id: "text", value: found.text, spellcheck: "false", readonly: !changes });
    let checking = 0;
    const check = async () => {
      const answer = await api("/workflows/check", { body: { text: text.value || " " } }).catch((error) => ({ ok: false, problems: [{ line: 1, message: error.message, fix: error.fix }] }));
      problems.replaceChildren(...(answer.ok ? [el("li", {}, chip("This can be saved", { kind: "ok", icon: "check" }))] : answer.problems.map((/** @type {any} */ problem) => el("li", {}, chip(`line ${problem.line}`, { kind: "bad", icon: "warn" }), el("span", {}, problem.message, problem.fix && el("span", { class: "muted" }, ` · ${problem.fix}`))))));
      return answer.ok;
    };
    text.addEventListener("input", () => {
      clearTimeout(checking);
      checking = setTimeout(check, 350);
    });
    const save = async () => {
      if (!(await check())) return toast("There is something to mend first.", { kind: "bad" });
      try {
        await api(`/workflows/${name}`, { method: "PUT", body: { text: text.value, before: shown.revision } });
        toast("Saved; a copy of the text before is kept.", { kind: "ok" });
        const held = document.activeElement === text ? { from: text.selectionStart, to: text.selectionEnd, top: text.scrollTop } : null;
        const scrolled = body.scrollTop;
        await one_();
        body.scrollTop = scrolled;
        const next = $(held ? "#text" : "#save");
        next?.focus({ preventScroll: true });
        if (!held || !next) return;
        next.setSelectionRange(held.from, held.to);
        next.scrollTop = held.top;
      } catch (error) {
        told(error);
      }
    };
    text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        save();
      }
    });
    tools.replaceChildren(...[can("run_workflow") && button("Run", run, { icon: "play", kind: "small", key: "r" }), can("add_schedule") && el("a", { class: "btn small", href: `/schedules?ask=${encodeURIComponent(example(found))}` }, icon("clock"), "Schedule"), el("a", { class: "btn small", href: "/workflows" }, icon("left"), "All")].filter(Boolean));
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        el("header", {}, el("p", { class: "row" }, found.own ? chip("yours", { kind: "accent" }) : chip("shipped"), chip(found.version), found.read_only ? chip("reads only", { kind: "ok", icon: "check" }) : found.tools.map((/** @type {string} */ tool) => chip(tool, { icon: "outside" })), figure && sparkline(figure.outcomes)), el("h2", {}, found.title), el("p", { class: "muted" }, found.description)),
        card("Its file", el("label", { class: "vh", for: "text" }, "The workflow's file"), text, problems, changes && el("p", { class: "row" }, button("Save", save, { kind: "primary", icon: "check", id: "save" }), el("span", { class: "muted small keys" }, "Ctrl S"), !found.own && el("span", { class: "muted small" }, "Saving makes your own copy, which goes before the shipped one."), found.own && can("remove_workflow") && button("Take away", take, { kind: "danger small push" }))),
        card("What people say for it", el("ul", {}, found.examples.map((/** @type {string} */ one) => el("li", { class: "small" }, `“${one}”`)))),
        found.versions?.length > 0 && card("Kept versions", el("ul", { class: "problems" }, found.versions.map((/** @type {any} */ version) => el("li", {}, el("span", { class: "mono small" }, version.revision.slice(0, 12)), at(version.at || version.saved_at), button("Look", () => look(version, text, check), { kind: "small" }))))),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), one));
  }
}
const one_ = one;
/** @param {any} version @param {any} text @param {() => any} check */
async function look(version, text, check) {
  try {
    text.value = (await api(`/workflows/${name}/versions/${version.revision}`)).text;
    toast("This is the kept text; save it to go back to it.");
    text.focus();
    await check();
  } catch (error) {
    told(error);
  }
}
async function take() {
  const sure = await askText({ title: "Take your own file away?", label: "A copy is kept; a shipped workflow of that name is in force again. Write its name to go on.", action: "Take it away", kind: "danger", long: false });
  if (sure !== name) return;
  try {
    await api(`/workflows/${name}`, { method: "DELETE", query: { before: shown.revision } });
    location.assign("/workflows");
  } catch (error) {
    told(error);
  }
}
/** What somebody says for it, with what it asks for left open. @param {any} one */
const example = (one) => (one.examples[0] || "").replaceAll(/\{\w+(=([^}]*))?\}/g, (/** @type {any} */ _, /** @type {any} */ __, /** @type {string} */ value) => value || "…");
async function run() {
  const words = await askText({ title: `Run “${shown.title}”`, label: "Say it as you would to a colleague", action: "Ask", text: example(shown) });
  if (words) await submit(words);
}
if (name) {
  one();
  bind("r", "Run it", () => shown && run());
  bind("u Escape", "All workflows", () => location.assign("/workflows"));
} else {
  listed();
  offer({ words: "Which workflow would run…", icon: "flow", act: tryWords });
  if (can("search_workflows")) tools.append(button("Which would run…", tryWords, { icon: "search", kind: "small" }));
}
async function tryWords() {
  const words = await askText({ title: "Which workflow would run?", label: "A request", action: "Look" });
  if (!words) return;
  try {
    const found = await api("/workflows/search", { query: { q: words } });
    const near = found.nearest || found.near || found.top || [];
    toast(found.workflow ? `It would run ${found.workflow}.` : `None is sure enough${near[0] ? `; nearest: ${near[0].workflow || near[0].name}` : ""}.`, { kind: found.workflow ? "ok" : undefined, fix: (found.why || []).join?.(" ") });
  } catch (error) {
    told(error);
  }
}
