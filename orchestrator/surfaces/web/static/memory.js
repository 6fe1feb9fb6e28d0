// What Deputy keeps in mind for requests: of a person, a team, a workflow; each fact can be read, put right and forgotten.
import { boot, button, can, chip, el, labelled } from "./dom.js";
import { api } from "./net.js";
import { askText, confirm, dialog } from "./shell.js";
import { at } from "./times.js";
import { act } from "./toast.js";

const WHOSE = { person: "you", team: "your team", workflow: "a workflow" };

/** @param {any[]} memories @param {() => void} again */
export const memoriesCard = (memories, again) =>
  el(
    "section",
    { class: "card" },
    el("header", {}, el("h2", {}, "What Deputy keeps in mind"), can("add_memory") && el("span", { class: "push" }, button("New fact", () => add(again), { icon: "plus", kind: "small" }))),
    memories.length ? el("ul", { class: "stack" }, memories.map((one) => row(one, again))) : el("p", { class: "muted" }, "Nothing yet: facts that you add here are given to the agents that work for you."),
  );

/** @param {any} one @param {() => void} again */
function row(one, again) {
  const path = `/memories/${encodeURIComponent(one.memory_id)}`;
  const whose = one.scope === "workflow" ? `the workflow ${one.owner}` : WHOSE[/** @type {"team"} */ (one.scope)] || one.scope;
  const edit = async () => {
    const text = await askText({ title: "The fact in other words", label: "They are yours from then on", text: one.text, action: "Keep" });
    if (text && text !== one.text) act(() => api(path, { method: "PUT", body: { text } }), "Kept.", again);
  };
  const forget = async () => {
    if (await confirm({ title: "Forget this?", text: one.text, action: "Forget", keep: "Keep it" })) act(() => api(path, { method: "DELETE" }), "Forgotten.", again);
  };
  return el(
    "li",
    { class: "row", "data-key": one.memory_id },
    chip(`about ${whose}`, { kind: "info" }),
    el("span", { class: "grow" }, one.text, el("span", { class: "muted small" }, ` · ${one.source.kind === "person" ? `said by ${(one.source.by || one.created_by) === boot.who ? "you" : one.source.by || one.created_by}` : `from ${one.source.kind}`}, `, at(one.created_at), one.expires_at && [", until ", at(one.expires_at)])),
    can("edit_memory") && button("Edit", edit, { icon: "edit", kind: "small", label: `Edit: ${one.text}` }),
    can("forget_memory") && button("Forget", forget, { kind: "danger small", label: `Forget: ${one.text}` }),
  );
}

/** @param {() => void} again */
async function add(again) {
  const text = el("textarea", { id: "m-text", required: true, rows: 3, maxlength: "2000", placeholder: "Dana likes short meetings in the morning" });
  const scope = el("select", { id: "m-scope" }, [["person", "me alone"], ["team", "my team"]].map(([value, words]) => el("option", { value }, words)));
  const said = el("div", { role: "status" });
  const form = el(
    "form",
    { class: "inside stack" },
    el("header", {}, el("h2", {}, "New fact")),
    labelled("What is so", text),
    labelled("For requests of", scope),
    said,
    el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, "Keep")),
  );
  const box = dialog({ label: "New fact" }, form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await api("/memories", { body: { text: text.value.trim(), scope: scope.value } });
      box.close();
      again();
    } catch (error) {
      const problem = /** @type {any} */ (error);
      said.replaceChildren(el("p", { class: "bad" }, problem.message, problem.fix && ` · ${problem.fix}`));
    }
  });
  text.focus();
}
