// The audit chain: filtered, followed by items, verified, exported.
import { $, button, can, chip, el, empty, icon, notice, table } from "./dom.js";
import { onNews, onState } from "./live.js";
import { api, oneAtATime } from "./net.js";
import { arrivals, renew } from "./renew.js";
import { askText } from "./shell.js";
import { at } from "./times.js";
import { told, toast } from "./toast.js";
import { folded } from "./values.js";

const body = $("#body");
const query = new URLSearchParams(location.search);
const PAGE = 100;
let cursor = "";
let asked = 0; // an answer to an earlier question comes too late
const KIND = { approval: ["accent", "inbox"], decision: ["info", "shield"], effect: ["warn", "outside"], item: ["", "list"], halt: ["bad", "halt"], session: ["", "key"], link: ["", "key"] };

const field = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ value) => el("input", { id, "aria-label": label, placeholder: label, value, onchange: () => load() });
const kinds = el("select", { id: "kind", class: "compact", "aria-label": "Kind", onchange: () => load() }, [["", "Every kind"], ["decision", "Decisions"], ["approval", "Approvals"], ["effect", "Effects"], ["item", "Requests"], ["session", "Sign-ins"], ["schedule", "Schedules"], ["halt", "Halts"]].map(([value, words]) => el("option", { value }, words)));
const actor = field("actor", "Who (address)", query.get("actor") || "");
const item = field("item", "Request (item_…)", query.get("item") || "");
const place = el("div", {});

const filter = () => ({ kind: kinds.value, actor: actor.value.trim(), item_id: item.value.trim() });
/** @type {any[]} newest first; what came since waits for whoever reads */
let events = [];
/** @type {any[]|null} null: more than one page of it */
let fresh = [];
const tellNew = arrivals(() => {
  if (fresh) {
    events = [...fresh, ...events];
    tell([]);
    paint();
  } else load();
  body.scrollTop = 0;
  body.focus({ preventScroll: true });
});
/** @param {any[]|null} found */
function tell(found) {
  fresh = found;
  tellNew(found ? found.length : PAGE, !found);
}

/** @param {boolean} [more] */
async function load(more = false) {
  const mine = ++asked;
  try {
    const page = await api("/audit", { query: { limit: PAGE, cursor: more ? cursor : undefined, ...filter() } });
    if (mine !== asked) return;
    cursor = page.next;
    events = more ? [...events, ...page.events] : page.events;
    if (!more) tell([]);
    paint();
  } catch (error) {
    renew(place, notice(/** @type {any} */ (error), () => load()));
  }
}
function paint() {
  renew(
    place,
    events.length ? table("Events", ["Event", "When", "Who", "About", "Holds"], events.map(row), events.map((event) => String(event.seq))) : empty({ icon: "audit", title: "No such events", text: "Whatever is decided or done stands here, each entry bound to the one before.", command: 'deputy ask "What is on my calendar today?"' }),
    cursor && el("p", { "data-key": "older" }, button("Show older ones", () => load(true))),
  );
}
const look = oneAtATime(async () => {
  const mine = asked;
  const page = await api("/audit", { query: { limit: PAGE, ...filter() } }).catch(() => null);
  if (!page || mine !== asked) return;
  if (!events.length && !$(".empty:hover, .empty :focus", place)) return load();
  const found = page.events.filter((/** @type {any} */ event) => event.seq > (events[0]?.seq || 0));
  tell(found.length === PAGE ? null : found);
});
/** @param {any} event */
function row(event) {
  const [kind, name] = KIND[/** @type {"item"} */ (event.kind.split(".")[0])] || ["", "audit"];
  return [
    el("span", { class: "row nowrap" }, el("span", { class: "muted num small" }, String(event.seq)), chip(event.kind, { kind, icon: name })),
    at(event.at),
    event.actor,
    event.item_id ? el("a", { href: `/work/${event.item_id}` }, "request") : event.run_id ? el("a", { href: `/runs/${event.run_id}` }, "run") : "–",
    Object.keys(event.body).length ? folded("Body", event.body) : "–",
  ];
}

async function verify() {
  const text = await askText({ title: "Verify the chain", label: "A head kept earlier, as JSON {“seq”, “hash”}, proves that nothing before it was changed (may stay empty)", action: "Verify", optional: true });
  if (text === null) return;
  try {
    const head = text ? { head: JSON.parse(text) } : {};
    const found = await api("/audit/verify", { body: head });
    if (found.ok) toast(`The chain holds: ${found.checked} events checked.`, { kind: "ok" });
    else toast(`The chain is broken at event ${found.first_bad_seq}: ${found.reason}.`, { kind: "bad", fix: "Compare with your last export." });
  } catch (error) {
    told(error instanceof SyntaxError ? { message: "that is no JSON", fix: 'e.g. {"seq": 12, "hash": "…"}' } : error);
  }
}
async function head() {
  try {
    const found = await api("/audit/head");
    await navigator.clipboard?.writeText(JSON.stringify(found));
    toast(`Head ${found.seq} copied: keep it elsewhere.`, { kind: "ok" });
  } catch (error) {
    told(error);
  }
}
$("#tools").append(
  ...[can("audit_head") && button("Copy head", head, { icon: "copy", kind: "small" }), can("verify_audit") && button("Verify", verify, { icon: "check", kind: "small" }), can("export_audit") && el("a", { class: "btn small", href: "/api/v1/audit/export", download: "audit.jsonl" }, icon("download"), "Export")].filter(Boolean),
);
body.replaceChildren(el("div", { class: "page stack" }, el("div", { class: "filters", role: "group", "aria-label": "Filter" }, kinds, actor, item), place));
load();
let due = 0;
onNews((news) => {
  if (news.kind === "run.progress") return;
  due ||= setTimeout(() => {
    due = 0;
    look();
  }, 800);
});
onState((state) => state === "reload" && look());
