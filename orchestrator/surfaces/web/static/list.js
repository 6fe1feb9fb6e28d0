// A list of any length with few elements. INVARIANT: the cursor is an id. What arrives or leaves never changes what the cursor is on,
// and never moves a row that is on the screen: rows arrive at the end, and what is to go stays until the reader asks.
import { el } from "./dom.js";

/**
 * @template {Record<string, any>} Row
 */
export class VirtualList {
  /**
   * @param {HTMLElement} box scrolls; role listbox
   * @param {{id: (row: Row) => string, height: number, draw: (row: Row) => HTMLElement, changed: (row: Row|null, why: string) => void, open?: (row: Row) => void}} how
   */
  constructor(box, how) {
    this.box = box;
    this.how = how;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {string[]} ids in order, as filtered */
    this.order = [];
    /** @type {Map<string, number>} */
    this.places = new Map();
    /** @type {string|null} */
    this.cursor = null;
    /** @type {Set<string>} */
    this.picked = new Set();
    /** @type {((row: Row) => boolean)|null} */
    this.filter = null;
    /** @type {Map<string, {made: HTMLElement, row: Row}>} */
    this.drawn = new Map();
    this.due = 0;
    this.pad = el("div", { role: "presentation", class: "pad" });
    box.append(this.pad);
    box.addEventListener("scroll", () => this.paintSoon(), { passive: true });
    new ResizeObserver(() => this.paintSoon()).observe(box);
    box.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const id = /** @type {HTMLElement|null} */ (target.closest(".opt"))?.dataset.id;
      if (!id) return;
      if (target.closest(".tick")) this.pick(id);
      else {
        this.go(id, "pointer");
        const row = this.rows.get(id);
        if (row) this.how.open?.(row);
      }
    });
  }

  /** @returns {Row|null} */
  get current() {
    return (this.cursor && this.rows.get(this.cursor)) || null;
  }

  /** Puts rows in, or new versions of known ones; known ones keep their place. @param {Row[]} rows */
  put(rows) {
    for (const row of rows) {
      const id = this.how.id(row);
      const isNew = !this.rows.has(id);
      this.rows.set(id, row);
      if (isNew && (!this.filter || this.filter(row))) {
        this.places.set(id, this.order.length);
        this.order.push(id);
      }
    }
    this.paintSoon();
  }

  /** Everything anew, in this order; the cursor stays on its id if that is still there. @param {Row[]} rows */
  replace(rows) {
    this.rows = new Map(rows.map((row) => [this.how.id(row), row]));
    for (const id of this.picked) if (!this.rows.has(id)) this.picked.delete(id);
    this.sift();
  }

  /** @param {string[]} ids */
  drop(ids) {
    for (const id of ids) {
      this.rows.delete(id);
      this.picked.delete(id);
    }
    this.sift();
  }

  /** Applies the filter. A cursor whose row went is nowhere until the reader moves it. */
  sift() {
    const filter = this.filter;
    this.order = [...this.rows].filter(([, row]) => !filter || filter(row)).map(([id]) => id);
    this.places = new Map(this.order.map((id, at) => [id, at]));
    for (const id of this.picked) if (!this.places.has(id)) this.picked.delete(id);
    if (this.cursor && !this.rows.has(this.cursor)) {
      this.cursor = null;
      this.how.changed(null, "gone");
    }
    this.paint();
  }

  /** @param {string|null} id @param {string} why "key" | "pointer" | "load" */
  go(id, why) {
    if (id === null || !this.rows.has(id)) return;
    const same = this.cursor === id;
    this.cursor = id;
    this.reveal(id);
    this.paint();
    if (!same) this.how.changed(this.current, why);
  }

  /** To the next row in a direction for which `fits` holds. @param {number} by @param {(row: Row) => boolean} [fits] */
  move(by, fits = () => true) {
    const from = this.cursor === null ? undefined : this.places.get(this.cursor);
    let at = from === undefined ? (by > 0 ? 0 : this.order.length - 1) : from + by;
    while (at >= 0 && at < this.order.length) {
      const row = this.rows.get(this.order[at]);
      if (row && fits(row)) return this.go(this.order[at], "key");
      at += by;
    }
  }

  /** @param {string} id */
  pick(id) {
    if (!this.picked.delete(id)) this.picked.add(id);
    this.paint();
    this.how.changed(this.current, "pick");
  }

  /** @param {string} id */
  reveal(id) {
    const at = this.places.get(id);
    if (at === undefined) return;
    const { height } = this.how;
    const top = at * height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + height - this.box.clientHeight;
  }

  /** How many rows stand below what can be seen. */
  get below() {
    return Math.max(0, this.order.length - Math.floor((this.box.scrollTop + this.box.clientHeight) / this.how.height));
  }

  paintSoon() {
    this.due ||= requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.due);
    this.due = 0;
    const { height } = this.how;
    const many = this.order.length;
    this.pad.style.height = `${many * height}px`;
    const from = Math.max(0, Math.floor(this.box.scrollTop / height) - 6);
    const to = Math.min(many, from + Math.ceil(this.box.clientHeight / height) + 12);
    const wanted = new Map();
    for (let at = from; at < to; at++) wanted.set(this.order[at], at);
    const cursorAt = this.cursor === null ? undefined : this.places.get(this.cursor);
    if (this.cursor !== null && cursorAt !== undefined) wanted.set(this.cursor, cursorAt); // aria-activedescendant has to exist
    for (const [id, at] of wanted) {
      const row = /** @type {Row} */ (this.rows.get(id));
      let known = this.drawn.get(id);
      if (!known || known.row !== row) {
        const made = this.how.draw(row);
        made.classList.add("opt");
        made.setAttribute("role", "option");
        made.id = `o-${id}`;
        made.dataset.id = id;
        if (known) known.made.replaceWith(made);
        else this.pad.append(made);
        known = { made, row };
        this.drawn.set(id, known);
      }
      const { made } = known;
      made.style.transform = `translateY(${at * height}px)`;
      made.classList.toggle("cur", id === this.cursor);
      made.setAttribute("aria-selected", String(this.picked.has(id)));
      made.setAttribute("aria-posinset", String(at + 1));
      made.setAttribute("aria-setsize", String(many));
    }
    for (const [id, { made }] of this.drawn) {
      if (wanted.has(id)) continue;
      made.remove();
      this.drawn.delete(id);
    }
    if (this.cursor !== null && wanted.has(this.cursor)) this.box.setAttribute("aria-activedescendant", `o-${this.cursor}`);
    else this.box.removeAttribute("aria-activedescendant");
  }
}
