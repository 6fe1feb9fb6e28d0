// Short words about what just happened. They stand in a place of their own and go by themselves, errors later.
import { button, el, icon } from "./dom.js";

/** @param {string} words @param {{kind?: "ok"|"bad", fix?: string, action?: [string, () => void]}} [how] */
export function toast(words, how = {}) {
  for (const place of document.querySelectorAll("[data-toasts]")) {
    const made = el(
      "div",
      { class: `toast ${how.kind || ""}` },
      how.kind && icon(how.kind === "bad" ? "warn" : "check"),
      el("p", {}, words, how.fix && el("span", { class: "muted" }, ` ${how.fix}`)),
      how.action && button(how.action[0], how.action[1], { kind: "small bare" }),
      el("button", { type: "button", class: "bare icon", "aria-label": "Dismiss", onclick: () => made.remove() }, icon("x")),
    );
    place.prepend(made);
    while (place.children.length > 3) place.lastElementChild?.remove();
    setTimeout(() => made.remove(), how.kind === "bad" ? 15000 : 5000);
  }
}

/**
 * Does it, says so or what was wrong, and shows anew what there is now. @param {() => Promise<any>} call @param {string} words
 * @param {() => void} changed
 */
export async function act(call, words, changed) {
  try {
    await call();
    toast(words, { kind: "ok" });
  } catch (error) {
    told(error);
  }
  changed();
}

/** @param {any} error a Problem, or what nobody foresaw */
export const told = (error) => {
  if (error?.name === "AbortError") return;
  toast(error?.message ? error.message[0].toUpperCase() + error.message.slice(1) : String(error), { kind: "bad", fix: error?.fix });
};
