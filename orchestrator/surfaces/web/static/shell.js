// What every page has: navigation by keys, the palette, help, the theme, the connection's state, counts, asking for something new.
import { $, boot, button, can, el, icon } from "./dom.js";
import { bind, bindings } from "./keys.js";
import { follow, onNews, onState } from "./live.js";
import { api } from "./net.js";
import { told, toast } from "./toast.js";

/** @typedef {{words: string, icon: string, hint?: string, act: () => void}} Command */
/** @type {Command[]} */
const commands = [];
/** Adds to the palette. @param {Command} one */
export const offer = (one) => commands.push(one);

// ---- dialogs --------------------------------------------------------------------------------------------------------
/**
 * A dialog that closes on Escape and gives the focus back. @param {{label: string, class?: string}} what @param {...any} kids
 * @returns {HTMLDialogElement}
 */
export function dialog(what, ...kids) {
  const made = el("dialog", { class: what.class, "aria-label": what.label }, kids);
  made.addEventListener("close", () => made.remove());
  made.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === made || /** @type {HTMLElement} */ (event.target).closest("[data-close]")) made.close();
  });
  document.body.append(made);
  made.showModal();
  return made;
}

/**
 * Asks for a line or more of text. @param {{title: string, label: string, action: string, text?: string, kind?: string, long?: boolean, optional?: boolean, choices?: string[]}} what
 * @returns {Promise<string|null>} null when it was put away
 */
export function askText(what) {
  return new Promise((resolve) => {
    const field = el(what.long === false ? "input" : "textarea", { id: "answer", value: what.text || "", required: !what.optional, rows: 3 });
    const form = el(
      "form",
      { method: "dialog", class: "inside" },
      el("header", {}, el("h2", {}, what.title)),
      (what.choices || []).map((one, at) => el("p", {}, el("button", { type: "button", class: "choice", onclick: () => done(one) }, el("kbd", { "aria-hidden": "true" }, String(at + 1)), el("span", {}, one)))),
      el("div", { class: "field" }, el("label", { for: "answer" }, what.label), field),
      el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: what.kind || "primary" }, el("span", {}, what.action), el("kbd", { "aria-hidden": "true" }, "Ctrl ↵"))),
    );
    /** @type {string|null} */
    let answer = null;
    const box = dialog({ label: what.title }, form);
    const done = (/** @type {string} */ text) => {
      answer = text;
      box.close();
    };
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      done(field.value.trim());
    });
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    box.addEventListener("close", () => resolve(answer));
    field.focus();
  });
}

/**
 * Asks before something is gone. @param {{title: string, text: string, action: string, keep: string}} what
 * @returns {Promise<boolean>}
 */
export function confirm(what) {
  return new Promise((resolve) => {
    let agreed = false;
    const act = () => {
      agreed = true;
      box.close();
    };
    const box = dialog(
      { label: what.title },
      el("div", { class: "inside" }, el("header", {}, el("h2", {}, what.title)), el("p", {}, what.text), el("footer", {}, el("button", { type: "button", "data-close": true }, what.keep), button(what.action, act, { kind: "danger" }))),
    );
    box.addEventListener("close", () => resolve(agreed));
  });
}

function help() {
  const groups = new Map();
  for (const one of bindings) groups.set(one.group, [...(groups.get(one.group) || []), one]);
  const NAMES = { "Control-k": "Ctrl K", Escape: "Esc", ArrowDown: "↓", ArrowUp: "↑" };
  const keys = (/** @type {string} */ text) => text.split("+").flatMap((part, at) => [at ? " then " : "", el("kbd", {}, NAMES[/** @type {"Escape"} */ (part)] || part)]);
  dialog(
    { label: "Keyboard" },
    el(
      "div",
      { class: "inside stack" },
      el("header", {}, el("h2", {}, "Keyboard"), el("button", { type: "button", class: "bare icon push", "data-close": true, "aria-label": "Close" }, icon("x"))),
      [...groups].map(([name, all]) => el("section", {}, el("h3", {}, name), el("div", { class: "keymap" }, all.map((/** @type {any} */ one) => el("div", {}, el("span", {}, one.words), el("span", {}, keys(one.keys[0]))))))),
    ),
  );
}

function palette() {
  const list = el("div", { class: "commands", role: "listbox", id: "commands", "aria-label": "Commands" });
  const field = el("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "commands", "aria-label": "Find or do", placeholder: "Find a page or do something…", autocomplete: "off" });
  const box = dialog({ label: "Find or do", class: "palette" }, field, list);
  /** @type {Command[]} */
  let shown = [];
  let cursor = 0;
  const paint = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = commands.filter((one) => words.every((/** @type {string} */ word) => one.words.toLowerCase().includes(word)));
    if (field.value.trim() && can("submit_items")) shown.push({ words: `Ask Deputy: “${field.value.trim()}”`, icon: "plus", hint: "new request", act: () => submit(field.value.trim()) });
    cursor = Math.min(cursor, Math.max(0, shown.length - 1));
    list.replaceChildren(...shown.map((one, at) => el("div", { role: "option", id: `c${at}`, "aria-selected": String(at === cursor), onclick: () => run(at) }, icon(one.icon), el("span", {}, one.words), one.hint && el("span", { class: "muted" }, one.hint))));
    field.setAttribute("aria-activedescendant", shown.length ? `c${cursor}` : "");
    $(`#c${cursor}`, list)?.scrollIntoView({ block: "nearest" });
  };
  const run = (/** @type {number} */ at) => {
    box.close();
    shown[at]?.act();
  };
  field.addEventListener("input", () => {
    cursor = 0;
    paint();
  });
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      cursor = (cursor + by + shown.length) % Math.max(1, shown.length);
      paint();
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(cursor);
    }
  });
  paint();
  field.focus();
}

// ---- asking ---------------------------------------------------------------------------------------------------------
/** Hands a request over and says where it is. @param {string} request @param {string[]} [needs] requests to be done first */
export async function submit(request, needs = []) {
  try {
    const item = await api("/items", { body: { request, key: `web-${crypto.randomUUID?.() || Math.random().toString(36).slice(2)}`, ...(needs.length && { needs }) } });
    toast(`Asked: ${request}`, { kind: "ok", action: ["Open", () => location.assign(`/work/${item.item_id}`)] });
    return item;
  } catch (error) {
    told(error);
    return null;
  }
}
async function ask() {
  const text = await askText({ title: "Ask Deputy", label: "Say what you want, as you would to a colleague", action: "Ask" });
  if (text) await submit(text);
}

// ---- theme ----------------------------------------------------------------------------------------------------------
const THEMES = ["system", "light", "dark"];
function theme() {
  const root = document.documentElement;
  const chosen = THEMES[(THEMES.indexOf(root.dataset.chosen || "system") + 1) % THEMES.length];
  localStorage.setItem("deputy.theme", chosen);
  dress(chosen);
  toast(`Theme: ${chosen === "system" ? "as the system has it" : chosen}`);
}
/** @param {string} chosen */
function dress(chosen) {
  const root = document.documentElement;
  root.dataset.chosen = chosen;
  root.dataset.theme = chosen === "dark" || (chosen === "system" && matchMedia("(prefers-color-scheme: dark)").matches) ? "dark" : "light";
  for (const one of document.querySelectorAll('[data-do="theme"]')) {
    one.querySelector("svg")?.replaceWith(icon({ system: "half", light: "sun", dark: "moon" }[chosen] || "half"));
    if (one.hasAttribute("aria-label")) one.setAttribute("aria-label", `Theme: ${chosen}`);
  }
  for (const one of document.querySelectorAll("[data-theme-name]")) one.textContent = `Theme: ${chosen}`;
}

// ---- counts and state -----------------------------------------------------------------------------------------------
/** @param {string} name @param {number} many */
export function count(name, many) {
  for (const one of document.querySelectorAll(`[data-count="${name}"]`)) one.textContent = many ? (many > 999 ? "999+" : String(many)) : "";
  if (name === "approvals") document.title = document.title.replace(/^(\(\d+\+?\) )?/, many ? `(${many > 999 ? "999+" : many}) ` : "");
}
let counting = 0;
async function recount() {
  counting = 0;
  if (!can("count_inbox")) return;
  const found = await api("/inbox/count").catch(() => null);
  if (found) for (const [name, many] of Object.entries(found)) count(name, Number(many));
}
const recountSoon = () => {
  counting ||= setTimeout(recount, 400);
};

const WORDS = { live: "live", connecting: "connecting…", off: "offline", out: "signed out" };
let isOut = false;
onState((state) => {
  const words = WORDS[/** @type {"live"} */ (state)];
  for (const one of words ? document.querySelectorAll("[data-live]") : []) {
    /** @type {HTMLElement} */ (one).dataset.state = state;
    one.textContent = words;
  }
  if (state === "reload") recountSoon();
  if (state === "out" && !isOut) toast("You are signed out.", { kind: "bad", fix: "What stands here is no longer kept up.", action: ["Sign in", () => location.assign(`/signin?next=${encodeURIComponent(location.pathname)}`)] });
  if (words) isOut = state === "out";
});
onNews((news) => {
  if (/^(approval|effect|item|question|decision|halt)/.test(news.kind)) recountSoon();
});

/** @type {Record<string, () => void>} */
const DO = { palette, help, theme, more: () => /** @type {HTMLDialogElement} */ ($("#more")).showModal(), ask };
document.addEventListener("click", (event) => {
  const one = /** @type {HTMLElement} */ (event.target).closest?.("[data-do]");
  if (one instanceof HTMLElement) DO[one.dataset.do || ""]?.();
});
$("#more")?.addEventListener("click", (/** @type {Event} */ event) => {
  const more = $("#more");
  if (event.target === more || /** @type {HTMLElement} */ (event.target).closest("[data-close]")) more.close();
});
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!$("dialog[open]")) palette();
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dress(document.documentElement.dataset.chosen || "system"));

for (const page of boot.pages) {
  offer({ words: page.label, icon: page.icon, hint: "page", act: () => location.assign(page.path) });
  if (page.key) bind(`g+${page.key}`, `Go to ${page.label.toLowerCase()}`, () => location.assign(page.path), { group: "Everywhere" });
}
bind("?", "This help", help, { group: "Everywhere" });
bind("Control-k", "Find or do anything", palette, { group: "Everywhere" });
bind("t", "Next theme", theme, { group: "Everywhere" });
/** Ends this sign-in. */
export async function signOut() {
  const told = await fetch("/signout", { method: "POST", headers: { "X-CSRF-Token": boot.csrf || "" }, credentials: "same-origin" }).then((answer) => answer.json()).catch(() => ({}));
  location.assign(told.next || "/signin");
}
offer({ words: "Sign out", icon: "key", act: signOut });
offer({ words: "Change the theme", icon: "half", act: theme });
offer({ words: "Keyboard help", icon: "keyboard", act: help });
if (can("submit_items")) {
  bind("c", "Ask for something new", ask, { group: "Everywhere" });
  offer({ words: "Ask for something new", icon: "plus", act: ask });
}
dress(document.documentElement.dataset.chosen || "system");
recount();
if (can("follow_events")) follow();
else for (const one of document.querySelectorAll("[data-live]")) one.textContent = "not live";
