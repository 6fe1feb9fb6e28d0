// Rows of the inbox: how one looks, how one is made out of a whole card; and what stands at the foot of a card.
import { boot, button, can, chip, el, icon, stateChip } from "./dom.js";
import { flags } from "./card.js";
import { iconOf } from "./effects.js";
import { since } from "./times.js";

/** @param {any} row */
export function draw(row) {
  const decided = row.state !== "pending";
  return el(
    "div",
    { class: decided ? "decided" : "" },
    el("span", { class: "tick", "aria-hidden": "true" }, icon("check")),
    el("span", { class: "kind" }, icon(iconOf(row.tool))),
    el(
      "span",
      { class: "grow" },
      el("span", { class: "l1" }, el("b", { class: "clip" }, row.title), el("span", { class: "age" }, since(row.created_at, { past: "{}" }))),
      el("span", { class: "l2 clip" }, row.headline),
      el("span", { class: "l3" }, decided ? stateOf(row) : row.outside > 0 && flags({ outside: row.outside }), el("span", { class: "clip muted" }, row.reaches.length ? row.reaches.join(", ") : row.request)),
    ),
  );
}
/** @param {any} row */
function stateOf(row) {
  if (row.saving) return chip("Approving…", { kind: "accent", icon: "run" });
  if (row.state !== "approved") return stateChip(row.state);
  return row.effect_state === "approved" ? stateChip("approved") : stateChip(row.effect_state);
}

/** A row out of a whole card. @param {any} card */
export function short(card) {
  const lines = Object.fromEntries((card.card.lines || []).map((/** @type {any} */ line) => [line.name, line.value]));
  const told = lines.title || lines.subject || lines.event_id || lines.message_id || lines.text || lines.body || lines.channel || card.preview;
  return { ...card, title: card.card.title || card.tool, headline: told.replace(/ \([a-z]+_[0-9a-z]{6,}\)/, ""), reaches: (card.card.reaches || []).slice(0, 3).map((/** @type {string} */ one) => one.split(" <")[0]), outside: (card.card.outside || []).length, irreversible: card.card.irreversible };
}
/** @param {any} card */
const progressWords = (card) => ({ approved: { approved: "Approved: it goes out next.", attempted: "Executing…", done: "Done.", failed: "It failed; nothing was sent twice.", unknown: "Nobody knows whether it arrived: the request asks you." }[/** @type {"done"} */ (card.effect_state)] || "Approved.", denied: "Denied.", expired: "Expired.", void: "Replaced by another card." })[/** @type {"denied"} */ (card.state)] || "";
/** What may be done with the card. @param {any} card @param {{approve: (id: string) => void, edit: (id: string) => void, deny: (id: string) => void, next: () => void}} does */
export function foot(card, does) {
  const id = card.approval_id;
  if (card.state !== "pending")
    return el("div", { class: "actions done" }, el("span", { class: "grow" }, progressWords(card)), button("Next card", does.next, { key: "j", kind: "small" }));
  const mine = card.eligible.includes(boot.who) && can("decide_approval");
  if (!mine) return el("div", { class: "actions" }, el("p", { class: "muted" }, icon("people"), ` ${card.eligible.join(", ")} may decide this.`));
  return el(
    "div",
    { class: "actions", role: "group", "aria-label": "Decide" },
    button("Approve", () => does.approve(id), { kind: "primary", key: "a", icon: "check", id: "approve" }),
    button("Edit", () => does.edit(id), { key: "e", icon: "edit", id: "edit" }),
    button("Deny", () => does.deny(id), { kind: "danger", key: "d", icon: "x", id: "deny" }),
    card.needed > 1 && el("span", { class: "muted small push" }, `${card.decided_by.length} of ${card.needed} have approved`),
  );
}
