// People and where values came from, told by shape, icon and words: never by colour alone.
import { chip, el, face, icon } from "./dom.js";

/** @typedef {Record<string, {name: string, inside: boolean, zone: string, role: string, team: string}>} People */

export const LEVELS = ["from untrusted text", "from the text of a record you named", "from a field of a record", "looked up from your words", "your own words"];
const LEVEL_KIND = ["bad", "warn", "info", "ok", "ok"];

/** @param {number} level @param {string} [why] */
export const levelChip = (level, why) => chip(LEVELS[level] || "unknown", { kind: LEVEL_KIND[level] || "", icon: level >= 3 ? "check" : level >= 2 ? "link" : "warn", title: why });

/** @param {string} address @param {People} people @param {string[]} outside */
export function personLine(address, people, outside) {
  const known = people[address.toLowerCase()];
  const isOutside = outside.includes(address.toLowerCase()) || !known?.inside;
  const name = known?.name || address;
  return el(
    "span",
    { class: "person" },
    face(name, isOutside),
    el("span", { class: "who" }, el("b", {}, name), known && el("span", { class: "muted" }, address), known?.role && el("span", { class: "muted" }, [known.role, known.team].filter(Boolean).join(", "))),
    isOutside && outsideChip(known ? "Outside" : "Not in the directory"),
  );
}

/** @param {string} [words] */
export const outsideChip = (words = "Outside") => el("span", { class: "chip outside" }, icon("outside"), words);

/** @param {any} value */
export const isAddress = (value) => typeof value === "string" && /^[^\s@]+@[^\s@]+$/.test(value);
