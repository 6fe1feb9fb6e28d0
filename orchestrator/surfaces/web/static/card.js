// One card, whole: what will happen, to whom, where every identity came from, why it asks, what must hold, and what was decided before.
import { button, can, chip, command, cut, el, icon, sentence, stateChip } from "./dom.js";
import { differences, iconOf, picture, words } from "./effects.js";
import { levelChip, outsideChip, personLine } from "./people.js";
import { at, fromLocal, isInstant, now, since, toLocal } from "./times.js";

/** @typedef {import("./effects.js").Approval & {state: string, effect_state: string} & Record<string, any>} Card */

/** How far a decided card has come, in three steps. @param {{state: string, effect_state: string, error?: any}} row */
export function progress(row) {
  if (row.state === "pending") return null;
  if (row.state !== "approved") return el("p", { class: "progress" }, stateChip(row.state));
  const here = { approved: 0, attempted: 1, done: 2, failed: 2, unknown: 2 }[/** @type {"done"} */ (row.effect_state)] ?? 0;
  const last = row.effect_state === "failed" ? "Failed" : row.effect_state === "unknown" ? "Outcome unknown" : "Done";
  const bad = row.effect_state === "failed" || row.effect_state === "unknown";
  return el(
    "ol",
    { class: "progress", "aria-label": "Progress" },
    ["Approved", "Executing", last].map((name, step) =>
      el("li", { class: step < here || (step === here && here === 2) ? (bad && step === 2 ? "bad" : "past") : step === here ? "here" : "", "aria-current": step === here ? "step" : false }, icon(bad && step === 2 ? "warn" : "check"), name),
    ),
  );
}

/** @param {any} row of the list */
export const flags = (row) => [
  (row.outside?.length ?? row.outside) > 0 && outsideChip(),
  row.irreversible && chip("Cannot be taken back", { kind: "warn", icon: "warn" }),
];

/**
 * The card's head and sections, without its actions. @param {Card} card @param {any} beside null until it is here
 * @param {(approval_id: string) => void} open another card
 */
export function sections(card, beside, open) {
  const body = card.card;
  const drawn = picture(card, beside);
  const soon = (Date.parse(card.expires_at) - now()) / 3600000;
  return [
    el(
      "header",
      { class: "card-head" },
      el("span", { class: "tile", "aria-hidden": "true" }, icon(iconOf(card.tool))),
      el(
        "div",
        { class: "grow" },
        el("h2", { tabindex: "-1", id: "card-title" }, body.title || card.tool),
        el("p", { class: "muted small" }, `as ${beside?.people?.[body.as]?.name || body.as}`, " · ", card.state === "pending" ? ["asked ", since(card.created_at), " · ", el("span", { class: soon < 24 ? "soon" : "" }, since(card.expires_at, { future: "expires in {}", past: "expired {} ago" }))] : ["decided ", since(card.decided_at), card.decided_by?.length ? ` by ${card.decided_by.map((/** @type {string} */ one) => beside?.people?.[one]?.name || one).join(", ")}` : ""]),
        el("p", { class: "row flags" }, flags(body), body.undo && can("undo_run") && chip("Can be undone", { icon: "undo", title: body.undo })),
      ),
    ),
    card.state !== "pending" && progress(card),
    card.reason && el("p", { class: "said" }, `“${card.reason}”`),
    card.effect?.error && el("div", { class: "notice" }, el("b", {}, sentence(card.effect.error.message || card.effect.error.code)), card.effect.error.fix && el("p", { class: "muted" }, `What to do: ${card.effect.error.fix}`)),
    drawn && part("What will happen", drawn),
    drawn ? el("details", { class: "part", open: true }, el("summary", {}, "Exactly these arguments"), differences(card, beside), digest(card)) : part("Exactly these arguments", differences(card, beside), digest(card)),
    part("Who it reaches, and where each value came from", reaches(card, beside)),
    part(
      "Why it asks",
      el("p", {}, body.reason || card.why),
      el("p", { class: "muted small" }, icon("shield"), ` Rule: ${(card.rules || [body.rule]).join("; ")}`),
    ),
    (body.holds?.length || card.preconditions?.length) > 0 &&
      part("Checked again right before it is sent", el("ul", { class: "holds" }, (body.holds || card.preconditions).map((/** @type {string} */ text) => el("li", {}, icon("check"), el("span", {}, text))))),
    part(
      "The request",
      el("p", { class: "said" }, `“${card.request}”`),
      body.program && el("p", { class: "muted small" }, `Asked by a program (${body.program}), not in a person's own words`),
      el("p", { class: "row small" }, el("span", { class: "muted" }, beside?.people?.[card.requester]?.name || card.requester), el("a", { href: `/work/${card.item_id}` }, "Open the request"), beside && el("a", { href: `/runs/${beside.run_id}` }, "See the run")),
      beside?.siblings?.length > 0 && el("div", { class: "siblings" }, el("h3", {}, "Also in this request"), el("ul", {}, beside.siblings.map((/** @type {any} */ one) => el("li", { class: "row" }, stateChip(one.state), el("button", { type: "button", class: "link", onclick: () => open(one.approval_id) }, `${one.title}: ${cut(one.headline, 60)}`))))),
    ),
    beside && part("Decided before", past(beside.similar)),
  ];
}

/** @param {Card} card */
const digest = (card) => el("p", { class: "muted small mono", title: card.digest }, `${card.digest.slice(0, 23)}… · your answer holds for exactly these`);
/** @param {string} title @param {...any} kids */
const part = (title, ...kids) => el("section", { class: "part" }, el("h3", {}, title), kids);

/** @param {Card} card @param {any} beside */
function reaches(card, beside) {
  const body = card.card;
  const sources = (body.sources || []).filter((/** @type {any} */ one) => one.value !== null && one.value !== "");
  const told = new Set();
  const rows = [];
  for (const line of body.reaches || []) {
    const address = /<([^>]+)>/.exec(line)?.[1] || line.split(" ")[0];
    const source = sources.find((/** @type {any} */ one) => String(one.value).toLowerCase() === address.toLowerCase());
    if (source) told.add(source);
    const known = beside?.people || { [address.toLowerCase()]: { name: line.split(" <")[0], inside: !/OUTSIDE|not in the directory/.test(line), zone: "", role: "", team: "" } };
    rows.push(el("li", {}, personLine(address, known, body.outside || []), source && levelChip(source.level, source.source)));
  }
  for (const source of sources) {
    if (told.has(source)) continue;
    const record = beside?.records?.[source.arg];
    rows.push(el("li", {}, el("span", { class: "source" }, el("span", { class: "muted" }, words(source.arg || "value")), el("span", {}, record ? `“${cut(record.title || record.subject || source.value, 60)}”` : cut(source.value, 60))), levelChip(source.level, source.source), source.source && el("span", { class: "muted small wide" }, source.source)));
  }
  return rows.length ? el("ul", { class: "reach" }, rows) : el("p", { class: "muted" }, "Nobody but you.");
}

/** @param {any[]} similar */
function past(similar) {
  if (!similar.length) return el("p", { class: "muted" }, "Nothing like this has been decided yet.");
  const yes = similar.filter((one) => one.state === "approved").length;
  const same = similar.filter((one) => one.same_people).length;
  return [
    el("p", {}, `${yes} approved, ${similar.length - yes} denied`, same > 0 && el("span", { class: "muted" }, ` · ${same} to the same people`)),
    el(
      "ul",
      { class: "past" },
      similar.slice(0, 5).map((one) => el("li", {}, stateChip(one.state), el("a", { class: "quiet clip", href: `/approvals/${one.approval_id}` }, one.headline), el("span", { class: "muted small" }, at(one.decided_at)))),
    ),
  ];
}

// ---- editing --------------------------------------------------------------------------------------------------------
/**
 * A form over the arguments; resolves with what was changed, or null. The changed call is checked anew before it asks again.
 * @param {Card} card @param {HTMLElement} place
 * @returns {Promise<Record<string, any>|null>}
 */
export function editor(card, place) {
  return new Promise((resolve) => {
    const fields = Object.entries(card.args).filter(([, value]) => value !== null && typeof value !== "object" ? true : Array.isArray(value) && value.every((one) => typeof one === "string"));
    const made = fields.map(([name, value]) => ({ name, value, input: input(name, value) }));
    const form = el(
      "form",
      { class: "editor", "aria-label": "Edit before it is sent" },
      el("p", { class: "muted small" }, "What you change is checked by the rules again, and comes back as a new card for you to approve."),
      made.map(({ name, value, input }) => el("div", { class: "field" }, el("label", { for: input.id }, words(name), Array.isArray(value) && el("span", { class: "muted" }, " (one a line)"), isInstant(value) && el("span", { class: "muted" }, " (your time)")), input)),
      el("div", { class: "row" }, el("button", { class: "primary" }, "Check and ask again"), button("Leave it", () => resolve(null))),
    );
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      /** @type {Record<string, any>} */
      const changed = {};
      for (const { name, value, input } of made) {
        const next = read(input, value);
        if (JSON.stringify(next) !== JSON.stringify(value)) changed[name] = next;
      }
      resolve(changed);
    });
    form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        resolve(null);
      }
    });
    place.replaceChildren(form);
    form.querySelector("input, textarea")?.focus();
  });
}

/** @param {string} name @param {any} value */
function input(name, value) {
  const id = `edit-${name}`;
  if (typeof value === "boolean") {
    const made = el("input", { type: "checkbox", id });
    made.checked = value;
    return made;
  }
  if (typeof value === "number") return el("input", { type: "number", id, value, step: "any" });
  if (isInstant(value)) return el("input", { type: "datetime-local", id, value: toLocal(value) });
  if (Array.isArray(value)) return el("textarea", { id, rows: 2, value: value.join("\n") });
  return value.length > 70 || value.includes("\n") ? el("textarea", { id, rows: 8, value }) : el("input", { type: "text", id, value });
}
/** @param {any} field @param {any} before */
function read(field, before) {
  if (typeof before === "boolean") return field.checked;
  if (typeof before === "number") return Number(field.value);
  if (isInstant(before)) return field.value === toLocal(before) ? before : fromLocal(field.value);
  if (Array.isArray(before)) return field.value.split("\n").map((/** @type {string} */ one) => one.trim()).filter(Boolean);
  return field.value;
}

/** What stands where no card is. @param {number} waiting */
export const nothing = (waiting) =>
  waiting
    ? el("div", { class: "empty" }, icon("inbox"), el("h2", {}, "Pick a card"), el("p", {}, "j and k move, a approves what you are looking at."))
    : el("div", { class: "empty" }, icon("check"), el("h2", {}, "Nothing waits for you"), el("p", {}, "When something is to leave in your name, it asks here first."), command('deputy ask "Set up a 30 minute call with Dana about her last mail"'));

