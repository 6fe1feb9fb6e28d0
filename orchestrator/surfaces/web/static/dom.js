// Building the page: elements, icons, and small parts every page uses. Text always goes in as text, never as markup.

/** What the server embedded in the page. @type {{now: string, seq: number, csrf: string|null, who: string, name: string, roles: string[], can: string[], pages: {name: string, label: string, path: string, icon: string, key: string}[]}} */
export const boot = JSON.parse(document.getElementById("boot")?.textContent || "{}");

/** The page's first data, if it came with the page. @returns {any} */
export const first = () => JSON.parse(document.getElementById("first")?.textContent || "null");

/** Whether this person's session may call this operation, and the server has it. @param {string} name */
export const can = (name) => boot.can.includes(name);

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
export const $ = (selector, root = document) => root.querySelector(selector);

// Controls, overrides of the direction of writing, and what has no width: all that shows as nothing, or makes its neighbours show as something else.
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2060-\u2069\ufeff]|(?<!\u{1f3f4}[\u{e0020}-\u{e007f}]*)[\u{e0000}-\u{e007f}]/gu;
/**
 * Text as it is: characters that nobody would see stand there by their number. INVARIANT: whoever decides reads what will be sent.
 * @param {string} text
 */
export const plain = (text) => text.replace(UNSEEN, (one) => `⟨U+${(one.codePointAt(0) || 0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
/** What each element does at an event: what is kept while its neighbours are made anew (renew.js) does what it would do then. @type {WeakMap<Element, Record<string, (event: any) => void>>} */
export const doings = new WeakMap();
/** @param {Element} one @param {string} name of the event @param {(event: any) => void} act instead of what it did before */
export function hear(one, name, act) {
  const does = doings.get(one) || {};
  if (!(name in does)) one.addEventListener(name, (event) => does[name](event));
  does[name] = act;
  doings.set(one, does);
}
const SAID = new Set(["title", "aria-label", "aria-description", "alt"]);

/**
 * An element. Attributes that are false, null or undefined are left out; `on…` are listeners; `class`, `data-…`, aria as they are written.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...any} kids
 * @returns {any}
 */
export function el(tag, attributes = {}, ...kids) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) hear(made, name.slice(2), value);
    else if (name === "value") /** @type {any} */ (made).value = value;
    else made.setAttribute(name, value === true ? "" : SAID.has(name) ? plain(String(value)) : String(value));
  }
  made.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== "").map((kid) => (typeof kid === "string" ? plain(kid) : kid)));
  return made;
}

const ICONS = new URL("./icons.svg", import.meta.url).pathname;
const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, any>} [attributes] @param {...any} kids @returns {any} */
export function svg(tag, attributes = {}, ...kids) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(name, String(value));
  made.append(...kids.flat(Infinity).filter(Boolean).map((kid) => (typeof kid === "string" ? plain(kid) : kid)));
  return made;
}

/** @param {string} name @param {string} [label] said aloud; without one it is decoration */
export function icon(name, label) {
  const made = svg("svg", { class: "i" }, svg("use", { href: `${ICONS}#${name}` }));
  if (label) {
    made.setAttribute("role", "img");
    made.setAttribute("aria-label", label);
  } else made.setAttribute("aria-hidden", "true");
  return made;
}

/** @param {string} words @param {{kind?: string, icon?: string, title?: string}} [how] */
export const chip = (words, how = {}) => el("span", { class: `chip ${how.kind || ""}`, title: how.title }, how.icon && icon(how.icon), words);

/** A button. @param {string} words @param {(event: Event) => void} act @param {{kind?: string, icon?: string, key?: string, label?: string, title?: string, id?: string, disabled?: boolean}} [how] */
export const button = (words, act, how = {}) =>
  el(
    "button",
    { type: "button", class: how.kind, onclick: act, "aria-label": how.label, title: how.title, id: how.id, disabled: how.disabled },
    how.icon && icon(how.icon),
    words && el("span", {}, words),
    how.key && el("kbd", { "aria-hidden": "true" }, how.key),
  );

/** Words and a command that fills an empty screen. @param {{icon: string, title: string, text: string, command?: string}} what */
export function empty(what) {
  return el(
    "div",
    { class: "empty" },
    icon(what.icon),
    el("h2", {}, what.title),
    el("p", {}, what.text),
    what.command && command(what.command),
  );
}

/** A command with a button that copies it. @param {string} text */
export function command(text) {
  const copy = async (/** @type {Event} */ event) => {
    const pressed = /** @type {HTMLElement} */ (event.currentTarget);
    await navigator.clipboard?.writeText(text);
    pressed.replaceChildren(icon("check"));
  };
  return el("span", { class: "command" }, el("code", {}, text), el("button", { type: "button", class: "bare small", "aria-label": `Copy: ${text}`, onclick: copy }, icon("copy")));
}

/** An error where its subject would stand: what happened and what to do. @param {{message: string, fix?: string, error?: string}} error @param {() => void} [again] */
export function notice(error, again) {
  return el(
    "div",
    { class: "notice", role: "alert" },
    el("b", {}, sentence(error.message)),
    error.fix && el("p", { class: "muted" }, `What to do: ${error.fix}`),
    again && el("p", {}, button("Try again", again, { kind: "small" })),
  );
}

/** @param {string} text */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

/** @param {string} text @param {number} most */
export const cut = (text, most) => {
  const flat = String(text ?? "").replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
};

/** Initials of a person, in a circle; outside people in a square. @param {string} name @param {boolean} [outside] */
export const face = (name, outside = false) =>
  el("span", { class: `face${outside ? " out" : ""}`, "aria-hidden": "true" }, initials(name));

/** @param {string} name */
export const initials = (name) =>
  name
    .split(/[\s.@]+/)
    .filter(Boolean)
    .slice(0, 2)
    .map((part) => part[0].toUpperCase())
    .join("");

/** A field under its words. @param {string} words @param {any} field has an id */
export const labelled = (words, field) => el("div", { class: "field" }, el("label", { for: field.id }, words), field);

/** A section with a heading. @param {string} title @param {...any} kids */
export const card = (title, ...kids) => el("section", { class: "card", "data-key": title }, el("header", {}, el("h2", {}, title)), kids);

/** A description list; pairs whose value is empty are left out. @param {[string, any][]} pairs */
export const facts = (pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );

/** A table; on narrow screens each row stands alone, its cells under each other by their heads, where there are more than two. @param {string} label @param {string[]} heads @param {any[][]} rows @param {string[]} [keys] of the rows */
export const table = (label, heads, rows, keys) =>
  el(
    "div",
    { class: heads.length > 2 ? "scroll stacks" : "scroll", tabindex: "0", role: "region", "aria-label": label },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head || el("span", { class: "vh" }, "Actions"))))),
      el("tbody", {}, rows.map((cells, place) => el("tr", { "data-key": keys?.[place] }, cells.map((cell, at) => el(at ? "td" : "th", at ? { "data-head": heads[at] || null } : { scope: "row" }, cell ?? "–"))))),
    ),
  );

/** @type {Record<string, [string, string, string]>} state → [words, kind of chip, icon] */
const STATES = {
  ready: ["Ready", "info", "play"],
  running: ["Running", "accent", "run"],
  waiting: ["Waiting", "warn", "clock"],
  pending: ["Waiting for you", "warn", "clock"],
  done: ["Done", "ok", "check"],
  approved: ["Approved", "ok", "check"],
  accepted: ["Accepted", "ok", "check"],
  failed: ["Failed", "bad", "x"],
  denied: ["Denied", "bad", "x"],
  refused: ["Refused", "bad", "x"],
  needs_model: ["Needs a model", "warn", "model"],
  over_budget: ["Over budget", "bad", "warn"],
  cancelled: ["Cancelled", "", "x"],
  expired: ["Expired", "", "clock"],
  void: ["Replaced", "", "x"],
  intended: ["Waits for a decision", "warn", "clock"],
  attempted: ["Executing", "accent", "run"],
  unknown: ["Outcome unknown", "bad", "warn"],
  undone: ["Taken back", "", "undo"],
  preview: ["Preview", "", "ask"],
  open: ["Open", "info", "play"],
  read: ["Read", "", "check"],
  told: ["Answered", "", "check"],
  parked: ["Waiting", "warn", "clock"],
  started: ["At work", "accent", "run"],
  queued: ["In the queue", "info", "clock"],
  missed: ["Missed", "bad", "warn"],
  skipped: ["Skipped", "bad", "warn"],
  stopped: ["Stopped", "bad", "warn"],
};

/** @param {string} state @param {string} [words] instead of the usual ones */
export function stateChip(state, words) {
  const [told, kind, name] = STATES[state] || [sentence(state.replaceAll("_", " ")), "", "clock"];
  return chip(words || told, { kind, icon: name });
}
