// People: who is who, who is inside, where and when they work, and what they may.
import { $, boot, button, can, chip, el, empty, face, notice, table } from "./dom.js";
import { outsideChip } from "./people.js";
import { api, every } from "./net.js";
import { renew } from "./renew.js";
import { giveRoles } from "./roles.js";

const body = $("#body");
const field = el("input", { type: "search", "aria-label": "Filter people", placeholder: "Filter by name, address, team", oninput: () => paint() });
/** @type {any[]} */
let people = [];
/** What each person may, for those who may see it. @type {Map<string, any>|null} */
let roles = null;
function paint() {
  const said = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = people.filter((one) => said.every((/** @type {string} */ word) => `${one.name} ${one.address} ${one.role} ${one.team}`.toLowerCase().includes(word)));
  renew(body, 
    el(
      "div",
      { class: "page stack" },
      shown.length
        ? table("People", ["Name", "Work", "Zone and hours", "", ...(roles ? ["May"] : []), "From"], shown.map((one) => [
            el("span", { class: "row nowrap" }, face(one.name, !one.inside), el("span", {}, el("b", {}, one.name), one.address === boot.who && " (you)", el("br"), el("span", { class: "muted small" }, one.address))),
            [one.role, one.team && el("span", { class: "muted" }, ` · ${one.team}`)],
            [one.zone, one.working_hours?.start && el("span", { class: "muted small" }, ` ${one.working_hours.start}–${one.working_hours.end}`)],
            one.inside ? chip("inside", { kind: "ok", icon: "check" }) : outsideChip(),
            ...(roles ? [may(one)] : []),
            el("span", { class: "muted small" }, one.source),
          ]), shown.map((one) => one.address))
        : empty({ icon: "people", title: people.length ? "Nobody by that name" : "The directory is empty", text: "People come from a connected directory, or from a file.", command: people.length ? undefined : "deputy people import people.csv --inside firm.example" }),
    ),
  );
}
/** @param {any} person */
function may(person) {
  const one = roles?.get(person.address);
  const given = new Set((one?.given || []).map((/** @type {any} */ role) => role.role));
  return el(
    "span",
    { class: "row" },
    one?.roles.length ? one.roles.map((/** @type {string} */ role) => chip(role, { kind: given.has(role) ? "info" : "", icon: "key", title: given.has(role) ? "given to this person" : one.owner ? "as the owner of this house" : "as every colleague" })) : el("span", { class: "muted" }, "nothing"),
    can("give_roles") && one && button("Change", () => giveRoles(person.address, load), { kind: "small", label: `Change what ${person.name} may` }),
  );
}
async function load() {
  try {
    if (can("list_roles")) roles = new Map((await api("/roles")).people.map((/** @type {any} */ one) => [one.person, one]));
    people = (await every("/people", "people", { limit: 500 })).sort((a, b) => Number(b.inside) - Number(a.inside) || a.name.localeCompare(b.name));
    paint();
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), load));
  }
}
if (can("list_people")) $("#tools").append(field);
load();
