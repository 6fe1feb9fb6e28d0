// People: who is who, who is inside, where and when they work.
import { $, boot, can, chip, el, empty, face, notice, table } from "./dom.js";
import { outsideChip } from "./people.js";
import { every } from "./net.js";

const body = $("#body");
const field = el("input", { type: "search", "aria-label": "Filter people", placeholder: "Filter by name, address, team", oninput: () => paint() });
/** @type {any[]} */
let people = [];
function paint() {
  const said = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = people.filter((one) => said.every((/** @type {string} */ word) => `${one.name} ${one.address} ${one.role} ${one.team}`.toLowerCase().includes(word)));
  body.replaceChildren(
    el(
      "div",
      { class: "page stack" },
      shown.length
        ? table("People", ["Name", "Role", "Zone and hours", "", "From"], shown.map((one) => [
            el("span", { class: "row nowrap" }, face(one.name, !one.inside), el("span", {}, el("b", {}, one.name), one.address === boot.who && " (you)", el("br"), el("span", { class: "muted small" }, one.address))),
            [one.role, one.team && el("span", { class: "muted" }, ` · ${one.team}`)],
            [one.zone, one.working_hours?.start && el("span", { class: "muted small" }, ` ${one.working_hours.start}–${one.working_hours.end}`)],
            one.inside ? chip("inside", { kind: "ok", icon: "check" }) : outsideChip(),
            el("span", { class: "muted small" }, one.source),
          ]))
        : empty({ icon: "people", title: people.length ? "Nobody by that name" : "The directory is empty", text: "People come from a connected directory, or from a file.", command: "deputy people ls" }),
    ),
  );
}
async function load() {
  try {
    people = (await every("/people", "people", { limit: 500 })).sort((a, b) => Number(b.inside) - Number(a.inside) || a.name.localeCompare(b.name));
    paint();
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
if (can("list_people")) $("#tools").append(field);
load();
