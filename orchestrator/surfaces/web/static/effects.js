// An effect as people see it: the event as an appointment, the mail as a letter, the message as it will stand in its channel;
// and every argument exactly, before and after where the object is known.
import { cut, el, icon } from "./dom.js";
import { isAddress, outsideChip, personLine } from "./people.js";
import { clock, full, isInstant, longDay, moment, ZONE } from "./times.js";

/** @typedef {{tool: string, args: Record<string, any>, card: any}} Approval */
/** @typedef {{records: Record<string, any>, people: import("./people.js").People}} Beside */

export const KIND_ICON = { calendar: "calendar", mail: "mail", chat: "chat" };
/** @param {string} tool */
export const iconOf = (tool) => KIND_ICON[/** @type {"mail"} */ (tool.split(".")[0])] || "tool";
/** @param {string} name */
export const words = (name) => name.replaceAll("_", " ");
const OBJECT = { event_id: "event", message_id: "message" };
const UPDATES = /\.(update|move|cancel|delete|respond|archive|mark|star)/;

/** What the call is about, drawn. @param {Approval} approval @param {Beside|null} beside */
export function picture(approval, beside) {
  const family = approval.tool.split(".")[0];
  const record = Object.entries(beside?.records || {}).find(([name]) => name in OBJECT)?.[1] || null;
  if (family === "calendar" && (approval.args.start || record?.start)) return appointment(approval, record, beside);
  if (family === "mail" && "body" in approval.args) return letter(approval, record, beside);
  if (family === "chat" && "text" in approval.args) return message(approval, beside);
  return null;
}

/** @param {Approval} approval @param {any} record @param {Beside|null} beside */
function appointment(approval, record, beside) {
  const { args } = approval;
  const isUpdate = UPDATES.test(approval.tool);
  const now = isUpdate ? { ...(record || {}), ...args } : args;
  const title = now.title || record?.title || "(no title)";
  const start = now.start || record?.start;
  const end = now.end || record?.end;
  const guests = now.attendees || record?.attendees || [];
  const then = new Date(start);
  const gone = /cancel|delete/.test(approval.tool);
  const moved = isUpdate && record?.start && args.start && record.start !== args.start;
  const zone = now.zone && now.zone !== ZONE ? now.zone : null;
  return el(
    "div",
    { class: `appointment${gone ? " gone" : ""}` },
    el(
      "div",
      { class: "leaf", "aria-hidden": "true" },
      el("span", {}, new Intl.DateTimeFormat(navigator.language, { month: "short" }).format(then)),
      el("b", {}, String(then.getDate())),
      el("span", {}, new Intl.DateTimeFormat(navigator.language, { weekday: "short" }).format(then)),
    ),
    el(
      "div",
      { class: "grow" },
      el("p", { class: "big" }, gone ? el("del", {}, title) : title),
      moved && el("p", { class: "was" }, "was ", el("del", {}, `${moment(record.start)}–${clock(record.end || record.start)}`)),
      start && el("p", {}, `${longDay(start)}, ${clock(start)}${end ? `–${clock(end)}` : ""}`),
      zone && start && el("p", { class: "muted small" }, `${clock(start, zone)}${end ? `–${clock(end, zone)}` : ""} in ${zone}`),
      now.location && el("p", { class: "muted" }, now.location),
      now.description && el("p", { class: "pre" }, now.description),
      guests.length > 0 && people(guests.map(addressOf), approval, beside),
    ),
  );
}

/** @param {any} one */
const addressOf = (one) => (typeof one === "string" ? one : one?.address || one?.email || "");

/** @param {string[]} addresses @param {Approval} approval @param {Beside|null} beside */
const people = (addresses, approval, beside) =>
  el("ul", { class: "people" }, addresses.filter(Boolean).map((address) => el("li", {}, personLine(address, beside?.people || named(approval), approval.card.outside || []))));

/** Names that the card itself tells, before anything else has come. @param {Approval} approval @returns {import("./people.js").People} */
function named(approval) {
  /** @type {import("./people.js").People} */
  const found = {};
  for (const line of [...(approval.card.reaches || [])]) {
    const parts = /^(.*) <([^>]+)>/.exec(line);
    if (parts) found[parts[2].toLowerCase()] = { name: parts[1], inside: !/OUTSIDE/.test(line), zone: "", role: "", team: "" };
  }
  return found;
}

/** @param {Approval} approval @param {any} record @param {Beside|null} beside */
function letter(approval, record, beside) {
  const { args, card } = approval;
  const listed = args.to ? [args.to].flat() : [];
  const to = listed.length ? listed : (card.reaches || []).map((/** @type {string} */ one) => /<([^>]+)>/.exec(one)?.[1] || one.split(" ")[0]);
  const isReply = /reply/.test(approval.tool);
  const isForward = /forward/.test(approval.tool);
  const subject = args.subject || (record?.subject ? `${isForward ? "Fwd: " : isReply ? "Re: " : ""}${record.subject}` : null);
  const line = (/** @type {string} */ name, /** @type {any} */ value) => value && el("div", { class: "line" }, el("span", { class: "muted" }, name), el("span", {}, value));
  return el(
    "div",
    { class: "letter" },
    el(
      "div",
      { class: "top" },
      line("From", card.as),
      line("To", to.length > 0 && people(to, approval, beside)),
      line("Cc", args.cc?.length && people([args.cc].flat(), approval, beside)),
      line("Subject", subject && el("b", {}, subject)),
    ),
    el("div", { class: "pre text" }, args.body),
    record && (isReply || isForward) && el("blockquote", {}, el("p", { class: "muted small" }, `${record.from_name || record.from || "Somebody"} wrote${record.sent_at ? ` on ${full(record.sent_at)}` : ""}`), el("p", { class: "pre" }, record.body || record.snippet || "")),
    record?.has_attachment && isForward && el("p", { class: "muted small" }, icon("link"), " with its attachments"),
  );
}

/** @param {Approval} approval @param {Beside|null} beside */
function message(approval, beside) {
  const { args, card } = approval;
  const lines = Object.fromEntries((card.lines || []).map((/** @type {any} */ line) => [line.name, line.value]));
  const where = lines.channel || lines.channel_name || null;
  const who = args.person || args.to;
  return el(
    "div",
    { class: "message" },
    el("p", { class: "where" }, icon("chat"), " ", where ? el("b", {}, where) : who ? people([who].flat().filter(isAddress), approval, beside) : "Chat"),
    el("div", { class: "bubble" }, el("b", {}, card.as), el("p", { class: "pre" }, args.text)),
  );
}

/** Every argument, exactly; with what stood there before where that is known. @param {Approval} approval @param {Beside|null} beside */
export function differences(approval, beside) {
  const record = Object.entries(beside?.records || {}).find(([name]) => name in OBJECT)?.[1] || null;
  const compares = record !== null && UPDATES.test(approval.tool);
  const rows = Object.entries(approval.args).map(([name, value]) => {
    const before = compares ? record[name] : undefined;
    const changes = before !== undefined && JSON.stringify(before) !== JSON.stringify(value);
    const target = name in OBJECT && record ? cut(record.title || record.subject || "", 80) : "";
    return el(
      "tr",
      { class: changes ? "changed" : "" },
      el("th", { scope: "row" }, words(name)),
      compares && el("td", {}, before === undefined ? el("span", { class: "muted" }, "–") : changes ? el("del", {}, shown(before, approval)) : shown(before, approval)),
      el("td", {}, changes ? el("ins", {}, shown(value, approval)) : shown(value, approval), target && el("span", { class: "muted" }, ` “${target}”`)),
    );
  });
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Exact arguments" },
    el(
      "table",
      { class: "diff" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "argument"), compares && el("th", { scope: "col" }, "before"), el("th", { scope: "col" }, compares ? "after" : "value"))),
      el("tbody", {}, rows),
    ),
  );
}

/** @param {any} value @param {Approval} [approval] @returns {any} */
export function shown(value, approval) {
  if (value === null || value === undefined || value === "") return el("span", { class: "muted" }, "empty");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isInstant(value)) return el("span", {}, el("time", { datetime: value }, full(value)), el("span", { class: "muted mono small" }, ` ${value}`));
  if (Array.isArray(value)) return el("ul", {}, value.map((one) => el("li", {}, shown(one, approval))));
  if (typeof value === "object") return el("pre", {}, JSON.stringify(value, null, 2));
  const outside = approval?.card.outside?.includes(String(value).toLowerCase());
  return el("span", { class: "pre" }, String(value), outside && [" ", outsideChip()]);
}
