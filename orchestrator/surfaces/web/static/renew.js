// Parts of a page made anew without being torn down. INVARIANT: what is still there stays the same element, with its focus, its scroll and
// what was opened in it; and what the pointer or the focus is on stays where it stands on the screen.
import { button, doings, el, hear, icon } from "./dom.js";

/** What a node is known by among its neighbours; without one it is known by its place. @param {Node} one */
const keyOf = (one) => (one instanceof Element ? one.getAttribute("data-key") || one.id : "");
/** Whether one can become the other. A time that is told anew by the clock stays bound to its instant. @param {Node} one @param {Node} other */
const like = (one, other) => one.nodeName === other.nodeName && keyOf(one) === keyOf(other) && (one.nodeName !== "TIME" || /** @type {Element} */ (one).getAttribute("datetime") === /** @type {Element} */ (other).getAttribute("datetime"));

/** Makes the children of a place what these are. A form stays as it is: somebody may be writing in it. @param {HTMLElement} place @param {...any} kids */
export function renew(place, ...kids) {
  const held = place.contains(document.activeElement) && document.activeElement !== place ? /** @type {HTMLElement} */ (document.activeElement) : null;
  const above = held ? lineage(held, place) : [];
  const stood = [...lineage(pointed(place) || held || topmost(place) || place, place)].map((one) => ({ one, top: one.getBoundingClientRect().top }));
  match(place, el("div", {}, kids));
  if (held && document.activeElement !== held) {
    const next = [...above, place, document.getElementById("body"), document.getElementById("main")].find((one) => one?.isConnected && (one.tabIndex >= 0 || one.hasAttribute("tabindex")));
    next?.focus({ preventScroll: true });
  }
  const left = stood.find(({ one }) => one.isConnected);
  if (left) keep(left.one, left.top);
}
/** The element and what it stands in, up to the place. @param {HTMLElement} one @param {HTMLElement} place */
function lineage(one, place) {
  const found = [];
  for (let at = /** @type {HTMLElement|null} */ (one); at && at !== place; at = at.parentElement) if (!at.matches(".body, .card-body")) found.push(at);
  return found;
}
/** @param {HTMLElement} place @returns {HTMLElement|null} */
const pointed = (place) => /** @type {any} */ ([...place.querySelectorAll(":hover")].pop()) || null;

/** What stands first in what is scrolled. @param {HTMLElement} place @returns {HTMLElement|null} */
function topmost(place) {
  const scroller = place.closest(".body, .card-body") || place.querySelector(".card-body");
  if (!scroller?.scrollTop) return null;
  const box = scroller.getBoundingClientRect();
  const found = document.elementFromPoint(box.left + box.width / 2, box.top + 8);
  return found instanceof HTMLElement && place.contains(found) ? found : null;
}
/** Scrolls what the element is in so that it stands where it stood; where there is nothing to scroll yet, room is made at the end. @param {HTMLElement} one @param {number} top */
function keep(one, top) {
  const scroller = /** @type {HTMLElement|null} */ (one.closest(".body, .card-body"));
  if (!scroller) return;
  scroller.style.paddingBottom = "";
  const off = () => one.getBoundingClientRect().top - top;
  if (off() <= 0.5 && off() >= -0.5) return;
  scroller.scrollTop += off();
  const more = off();
  if (more < 0.5) return;
  scroller.style.paddingBottom = `${parseFloat(getComputedStyle(scroller).paddingBottom) + more}px`;
  scroller.scrollTop += more;
}

/** @param {Element} old @param {Element} made */
function match(old, made) {
  const wanted = new Set([...made.childNodes].map(keyOf).filter(Boolean));
  /** @type {Map<string, Node>} */
  const known = new Map();
  for (const kid of [...old.childNodes]) {
    const key = keyOf(kid);
    if (key && (!wanted.has(key) || known.has(key))) kid.remove(); // first: nothing that stays is moved for what goes
    else if (key) known.set(key, kid);
  }
  let next = old.firstChild;
  for (const kid of [...made.childNodes]) {
    const key = keyOf(kid);
    const there = key ? known.get(key) : next && !keyOf(next) ? next : undefined;
    known.delete(key);
    if (!there || !like(there, kid)) {
      old.insertBefore(kid, next);
      if (there && key) {
        if (there === next) next = next.nextSibling;
        there.parentNode?.removeChild(there);
      }
    } else {
      if (there === next) next = next.nextSibling;
      else old.insertBefore(there, next);
      mend(there, kid);
    }
  }
  while (next) {
    const after = next.nextSibling;
    next.parentNode?.removeChild(next);
    next = after;
  }
}
/** @param {Node} old @param {Node} made of the same kind */
function mend(old, made) {
  if (!(old instanceof Element) || !(made instanceof Element)) {
    if (old.nodeValue !== made.nodeValue) old.nodeValue = made.nodeValue;
    return;
  }
  if (old.nodeName === "FORM") return;
  const opened = old.nodeName === "DETAILS" ? "open" : "";
  for (const { name } of [...old.attributes]) if (name !== opened && !made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of [...made.attributes]) {
    if (name === opened || old.getAttribute(name) === value) continue;
    if (name === "style") /** @type {HTMLElement} */ (old).style.cssText = /** @type {HTMLElement} */ (made).style.cssText; // as an attribute the page's policy refuses it
    else old.setAttribute(name, value);
  }
  for (const [name, act] of Object.entries(doings.get(made) || {})) hear(old, name, act);
  match(old, made);
}

/**
 * A button beside the page's name that tells how much is new, and shows it when it is asked to. Its place is kept while there is nothing.
 * @param {() => void} show @returns {(many: number, more?: boolean) => void} tells it
 */
export function arrivals(show) {
  const words = el("span", {});
  const inner = button("", show, { kind: "arrived" });
  inner.append(icon("top"), words);
  const tell = (/** @type {number} */ many, more = false) => {
    inner.classList.toggle("none", !many);
    words.textContent = `${many}${more ? "+" : ""} new`;
  };
  tell(0);
  document.querySelector(".bar h1")?.after(el("span", { role: "status" }, inner));
  return tell;
}
