// What a person may: roles given by an admin, and what an approver is narrowed to.
import { el, labelled, notice } from "./dom.js";
import { api } from "./net.js";
import { dialog } from "./shell.js";
import { told, toast } from "./toast.js";

const ROLES = [
  ["viewer", "reads"],
  ["approver", "asks, and decides cards"],
  ["operator", "also runs the house: workflows, halt, everybody's requests"],
  ["auditor", "reads the audit"],
  ["admin", "everything"],
  ["none", "may not come in at all; sign-ins end, keys are taken back"],
];
const LIMITS = [
  ["families", "Approver only for families", "calendar, mail"],
  ["tools", "Approver only for tools", "mail.send"],
  ["requesters", "Approver only for requests of", "dana@firm.example"],
];

/** Asks anew what the person has: another admin may have been here meanwhile. @param {string} address @param {() => void} again */
export async function giveRoles(address, again) {
  let person;
  try {
    person = (await api("/roles")).people.find((/** @type {any} */ one) => one.person === address);
  } catch (error) {
    return told(error);
  }
  if (person) ask(person, again);
}

/** @param {any} person of `GET /roles` @param {() => void} again */
function ask(person, again) {
  const given = person.given.filter((/** @type {any} */ one) => one.source === "assigned");
  const had = new Set(given.map((/** @type {any} */ one) => one.role));
  const narrow = given.find((/** @type {any} */ one) => one.role === "approver")?.limits || {};
  const boxes = ROLES.map(([role, words]) => {
    const box = el("input", { type: "checkbox", id: `r-${role}` });
    box.checked = had.has(role);
    return { role, box, shown: el("label", { class: "row nowrap" }, box, el("span", {}, el("b", {}, role), el("span", { class: "muted" }, ` ${words}`))) };
  });
  const limits = LIMITS.map(([name, words, example]) => {
    const field = el("input", { id: `r-${name}`, placeholder: `all, or e.g. ${example}`, value: (narrow[name] || []).join(", ") });
    return { name, field, shown: labelled(words, field) };
  });
  const narrows = el("div", { class: "stack" }, limits.map((one) => one.shown));
  const said = el("div", { role: "status" });
  const paint = () => {
    narrows.hidden = !boxes.find((one) => one.role === "approver")?.box.checked;
  };
  for (const one of boxes)
    one.box.addEventListener("change", () => {
      if (one.box.checked) for (const other of boxes) if ((one.role === "none") !== (other.role === "none")) other.box.checked = false; // none stands alone
      paint();
    });
  paint();
  const form = el(
    "form",
    { class: "inside stack" },
    el("header", {}, el("h2", {}, `What ${person.name} may`)),
    el("fieldset", { class: "stack" }, el("legend", {}, "Roles (none of them: what every colleague may)"), boxes.map((one) => one.shown)),
    narrows,
    said,
    el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, "Give")),
  );
  const box = dialog({ label: `What ${person.name} may` }, form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const roles = boxes.filter((one) => one.box.checked).map((one) => one.role);
    const narrowed = limits.map((one) => [one.name, one.field.value.split(",").map((/** @type {string} */ word) => word.trim()).filter(Boolean)]).filter(([, words]) => words.length);
    try {
      await api(`/roles/${encodeURIComponent(person.person)}`, { method: "PUT", body: { roles, ...(roles.includes("approver") && narrowed.length && { limits: Object.fromEntries(narrowed) }) } });
      box.close();
      toast("Given; it counts at once.", { kind: "ok" });
      again();
    } catch (error) {
      said.replaceChildren(notice(/** @type {any} */ (error)));
    }
  });
}
