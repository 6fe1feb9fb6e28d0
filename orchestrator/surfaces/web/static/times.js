// Times in the reader's own zone, and how long until or since. One clock ticks for the whole page.
import { boot, el } from "./dom.js";

const LANG = navigator.language || "en";
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
/** @type {Record<string, Intl.DateTimeFormat>} */
const formats = {
  time: new Intl.DateTimeFormat(LANG, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  day: new Intl.DateTimeFormat(LANG, { weekday: "short", day: "numeric", month: "short" }),
  long: new Intl.DateTimeFormat(LANG, { weekday: "long", day: "numeric", month: "long", year: "numeric" }),
  full: new Intl.DateTimeFormat(LANG, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" }),
};
const STEPS = [[60, 1, "s"], [3600, 60, "m"], [86400, 3600, "h"], [86400 * 14, 86400, "d"], [Infinity, 604800, "wk"]];

/** The server's time minus the browser's, in ms: the office may keep a clock of its own. */
let skew = boot.now ? Date.parse(boot.now) - Date.now() : 0;
/** @param {string} iso */
export const setNow = (iso) => {
  skew = Date.parse(iso) - Date.now();
};
export const now = () => Date.now() + skew;

/** e.g. "3 m", "2 d" — a length of time. @param {number} seconds */
export function span(seconds) {
  const size = Math.abs(seconds);
  const [, unit, name] = STEPS.find(([below]) => size < Number(below)) || STEPS[4];
  return `${Math.max(0, Math.floor(size / Number(unit)))} ${name}`;
}

/** @param {string} iso @param {Intl.DateTimeFormat} how @param {string} [zone] */
const inZone = (iso, how, zone) => (zone ? new Intl.DateTimeFormat(LANG, /** @type {Intl.DateTimeFormatOptions} */ ({ ...how.resolvedOptions(), timeZone: zone })) : how).format(new Date(iso));
/** @param {string} iso @param {string} [zone] */
export const clock = (iso, zone) => (zone ? new Intl.DateTimeFormat(LANG, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }).format(new Date(iso)) : formats.time.format(new Date(iso)));
/** @param {string} iso */
export const day = (iso) => formats.day.format(new Date(iso));
/** @param {string} iso */
export const longDay = (iso) => inZone(iso, formats.long);
/** @param {string} iso */
export const full = (iso) => formats.full.format(new Date(iso));

/** e.g. "14:00" today, "Thu 26 Nov 14:00" else. @param {string} iso */
export function moment(iso) {
  const then = new Date(iso);
  return then.toDateString() === new Date(now()).toDateString() ? clock(iso) : `${day(iso)}, ${clock(iso)}`;
}

/** A time as an element: the moment in the reader's zone, everything on hovering. @param {string|null} iso */
export const at = (iso) => (iso ? el("time", { datetime: iso, title: full(iso) }, moment(iso)) : null);

const relative = new Set();
/** How long ago, or in how long; kept true by one clock. @param {string|null} iso @param {{past?: string, future?: string}} [words] */
export function since(iso, words = {}) {
  if (!iso) return null;
  const made = el("time", { datetime: iso, title: full(iso) });
  const entry = { made: new WeakRef(made), iso, words };
  relative.add(entry);
  tell(entry, made);
  return made;
}
/** @param {any} entry @param {any} made */
function tell(entry, made) {
  const seconds = (Date.parse(entry.iso) - now()) / 1000;
  const words = seconds > 0 ? (entry.words.future ?? "in {}") : (entry.words.past ?? "{} ago");
  const text = words.replace("{}", span(seconds));
  if (made.textContent !== text) made.textContent = text;
}
setInterval(() => {
  for (const entry of relative) {
    const made = entry.made.deref();
    if (made?.isConnected) tell(entry, made);
    else if (!made) relative.delete(entry);
  }
}, 5000);

/** What `datetime-local` shows for an instant, in the reader's zone. @param {string} iso */
export function toLocal(iso) {
  const then = new Date(iso);
  return new Date(then.getTime() - then.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
/** @param {string} local @returns {string} ISO with offset */
export const fromLocal = (local) => new Date(local).toISOString().replace(".000Z", "+00:00");
/** @param {any} value */
export const isInstant = (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(value);
