// The keyboard: one table of keys a page, told by `?`. Keys are dead while somebody types or a dialog is open; a held key acts once.

/** @typedef {{keys: string[], words: string, act: (event: KeyboardEvent) => void, group?: string, repeat?: boolean}} Binding */
/** @type {Binding[]} */
export const bindings = [];

/** @param {string} keys several with a space between; "g a" is said as "g then a" with `+`: "g+a" @param {string} words @param {(event: KeyboardEvent) => void} act @param {{group?: string, repeat?: boolean}} [how] */
export function bind(keys, words, act, how = {}) {
  bindings.push({ keys: keys.split(" "), words, act, group: how.group || "This page", repeat: how.repeat });
}

/** @param {EventTarget|null} target */
const types = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
let lead = "";
let leadTimer = 0;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if (event.key === "Escape" && types(event.target)) {
    /** @type {HTMLElement} */ (event.target).blur();
    document.getElementById("list")?.focus();
    return;
  }
  if (types(event.target) || document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey) return;
  const name = (event.altKey ? "Alt-" : "") + (event.key === " " ? "Space" : event.key);
  const said = lead ? `${lead}+${name}` : name;
  clearTimeout(leadTimer);
  lead = "";
  if ((event.key === "Enter" || event.key === " ") && event.target instanceof HTMLElement && event.target.closest("button, a, summary")) return;
  const found = bindings.find((one) => one.keys.includes(said));
  if (found) {
    event.preventDefault();
    if (!event.repeat || found.repeat) found.act(event);
  } else if (bindings.some((one) => one.keys.some((keys) => keys.startsWith(`${name}+`)))) {
    lead = name;
    leadTimer = setTimeout(() => {
      lead = "";
    }, 1200);
  }
});
