// What a new request is to wait for, chosen among the open ones.
import { el, labelled, stateChip } from "./dom.js";
import { renew } from "./renew.js";
import { dialog } from "./shell.js";

const MOST = 50; // shown at once: the field above them finds the others

/** @param {any[]} open requests @param {string[]} before ids chosen up to now @returns {Promise<string[]|null>} null when it was put away */
export function chooseNeeds(open, before) {
  return new Promise((resolve) => {
    const chosen = new Set(before);
    /** @type {string[]|null} */
    let answer = null;
    const find = el("input", { type: "search", id: "after-find", placeholder: "Filter by words", autocomplete: "off", oninput: () => paint() });
    const found = el("div", { class: "stack choices" });
    const paint = () => {
      const said = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = open.filter((row) => said.every((/** @type {string} */ word) => row.request.toLowerCase().includes(word)));
      renew(found, shown.slice(0, MOST).map(choice), shown.length > MOST && el("p", { class: "muted small" }, `and ${shown.length - MOST} more`), !shown.length && el("p", { class: "muted" }, "No open request says that."));
    };
    const choice = (/** @type {any} */ row) => {
      const box = el("input", { type: "checkbox", id: `after-${row.item_id}`, onchange: (/** @type {any} */ event) => (event.target.checked ? chosen.add(row.item_id) : chosen.delete(row.item_id)) });
      box.checked = chosen.has(row.item_id);
      return el("label", { class: "row nowrap", "data-key": row.item_id }, box, el("span", { class: "grow" }, row.request), stateChip(row.state));
    };
    const form = el(
      "form",
      { class: "inside stack" },
      el("header", {}, el("h2", {}, "Only after these are done")),
      labelled("Open requests", find),
      found,
      el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, "Choose")),
    );
    const box = dialog({ label: "Only after these are done" }, form);
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      answer = [...chosen];
      box.close();
    });
    box.addEventListener("close", () => resolve(answer));
    paint();
    find.focus();
  });
}
