// Settings as they are in force, masked, with where each comes from.
import { $, card, chip, command, el, notice, table } from "./dom.js";
import { api } from "./net.js";

const body = $("#body");
/** @param {any} value */
const shown = (value) => (value === null || value === "" ? el("span", { class: "muted" }, "not set") : el("code", {}, typeof value === "string" ? value : JSON.stringify(value)));

async function load() {
  try {
    const all = (await api("/settings")).settings;
    const set = all.filter((/** @type {any} */ one) => one.origin !== "default");
    const rest = all.filter((/** @type {any} */ one) => one.origin === "default");
    const rows = (/** @type {any[]} */ some) => some.map((one) => [el("code", {}, one.name), shown(one.value), one.origin === "default" ? el("span", { class: "muted" }, "default") : chip(one.origin, { title: one.place, kind: "info" }), el("span", { class: "small" }, one.description)]);
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        set.length > 0 && card("Set here", table("Set", ["Setting", "Value", "From", "What it is"], rows(set))),
        card("Defaults", table("Defaults", ["Setting", "Value", "From", "What it is"], rows(rest)), el("p", { class: "row" }, el("span", { class: "muted small" }, "Settings are changed in deputy.toml, by the environment, or by flags:"), command("deputy config show --origin"))),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
load();
