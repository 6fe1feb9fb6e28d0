// The approvals page. INVARIANT: a key or button decides the card that is shown, by its id and digest; what arrives changes neither.
import { $, boot, button, can, el, first, icon, notice } from "./dom.js";
import { editor, nothing, progress, sections } from "./card.js";
import { iconOf } from "./effects.js";
import { bind } from "./keys.js";
import { VirtualList } from "./list.js";
import { onNews, onState } from "./live.js";
import { api, oneAtATime } from "./net.js";
import { renew } from "./renew.js";
import { draw, foot, short } from "./rows.js";
import { askText, count } from "./shell.js";
import { setNow } from "./times.js";
import { told, toast } from "./toast.js";

const split = $(".split");
const box = $("#list");
const detail = $("#detail");
const bulk = $("#bulk");
const start = first();
let showing = "pending";
let waiting = start.total;
let arrived = 0;
/** @type {Map<string, any>} whole cards by id */
const cards = new Map();
/** @type {Map<string, any>} */
const besides = new Map();
/** @type {string|null} id of the card that the right side shows */
let shownId = null;
let editing = false;

const list = new VirtualList(box, {
  id: (row) => row.approval_id,
  height: 80,
  draw,
  changed: (row, why) => {
    if (why !== "pick") show(row?.approval_id ?? null, why);
    paintBulk();
  },
  open: () => {
    split.dataset.view = "card";
    history.pushState(null, "", `/approvals/${list.cursor}`);
  },
});

// ---- the card -------------------------------------------------------------------------------------------------------
/** @param {string|null} id @param {string} why */
async function show(id, why) {
  shownId = id;
  editing = false;
  if (id === null) {
    detail.replaceChildren(nothing(waiting));
    return;
  }
  if (why === "key") history.replaceState(null, "", `/approvals/${id}`);
  paintCard();
  detail.scrollTop = 0;
  await Promise.all([loadCard(id), besides.has(id) ? null : loadBeside(id)]);
  const next = list.order[(list.places.get(id) ?? -2) + 1];
  if (next && !cards.has(next)) loadCard(next);
}
/** @param {string} id */
async function loadCard(id) {
  try {
    cards.set(id, await api(`/approvals/${id}`));
    paintCard(id);
  } catch (error) {
    if (id === shownId && !cards.has(id)) detail.replaceChildren(el("div", { class: "card-body" }, notice(/** @type {any} */ (error), () => loadCard(id))));
  }
}
/** @param {string} id */
async function loadBeside(id) {
  const found = await api(`/inbox/${id}`).catch(() => null);
  if (!found) return;
  setNow(found.now);
  besides.set(id, found);
  paintCard(id);
}

/** @param {string|null} [only] */
function paintCard(only = shownId) {
  if (shownId === null || only !== shownId || editing) return;
  const row = list.rows.get(shownId);
  const card = cards.get(shownId);
  if (!card) {
    detail.replaceChildren(el("div", { class: "card-body" }, el("header", { class: "card-head" }, el("span", { class: "tile" }, icon(iconOf(row?.tool || ""))), el("div", { class: "grow" }, el("h2", {}, row?.title || ""), el("p", { class: "muted" }, row?.headline || "")))));
    return;
  }
  const state = row && row.state !== "pending" && card.state === "pending" ? { ...card, state: row.state, effect_state: row.effect_state } : card;
  const beside = besides.get(shownId) || null;
  renew(
    detail,
    el("div", { class: "back" }, el("h1", { class: "vh" }, "Approvals"), button("All approvals", back, { icon: "left", kind: "bare small" })),
    el("div", { class: "card-body", tabindex: "0", role: "region", "aria-label": "Card", "data-key": shownId }, sections({ ...state, effect: beside?.effect }, beside, (other) => open(other))),
    actions(state),
  );
}

/** The shown card's state alone, at once: the rest follows with the desk's answer. @param {string[]} ids */
function paintDecided(ids) {
  const row = shownId !== null && ids.includes(shownId) ? list.rows.get(shownId) : null;
  const card = row && cards.get(row.approval_id);
  if (!row || !card) return;
  const state = { ...card, state: row.state, effect_state: row.effect_state };
  detail.querySelector(".actions")?.replaceWith(actions(state));
  detail.querySelector(".card-head")?.after(progress(state) || "");
}

/** @param {any} card */
const actions = (card) => foot(card, { approve: (id) => decide([id], "approve"), edit, deny: (id) => deny([id]), next: () => list.move(1, open1) });
/** @param {any} row */
const open1 = (row) => row.state === "pending";

/** Shows a card that need not be on the list. @param {string} id */
async function open(id) {
  if (!list.rows.has(id)) {
    const found = await api(`/approvals/${id}`).catch(told);
    if (!found) return;
    cards.set(id, found);
    list.put([short(found)]);
    list.paint();
  }
  split.dataset.view = "card";
  list.go(id, "key");
}
function back() {
  split.dataset.view = "list";
  history.replaceState(null, "", "/");
  box.focus();
}

// ---- deciding -------------------------------------------------------------------------------------------------------
/** Optimistic: painted at once, corrected by the answer. @param {string[]} ids @param {"approve"|"deny"} verdict @param {string} [reason] */
async function decide(ids, verdict, reason) {
  const rows = ids.map((id) => list.rows.get(id)).filter((row) => row?.state === "pending");
  if (!rows.length || !can("decide_approval")) return;
  for (const row of rows) list.put([{ ...row, state: verdict === "approve" ? "approved" : "denied", effect_state: verdict === "approve" ? "approved" : "failed", decided_at: new Date().toISOString() }]);
  for (const id of ids) list.picked.delete(id);
  list.paint();
  paintDecided(rows.map((row) => row.approval_id));
  paintBulk();
  setWaiting(waiting - rows.length);
  performance.mark("decided");
  const said = rows.map((row) => ({ approval_id: row.approval_id, verdict, digest: row.digest, ...(reason ? { reason } : {}) }));
  try {
    const answers =
      said.length === 1
        ? [{ approval_id: said[0].approval_id, approval: await api(`/approvals/${said[0].approval_id}/decide`, { body: { verdict, digest: said[0].digest, ...(reason ? { reason } : {}) } }) }]
        : (await api("/approvals/decide", { body: { decisions: said } })).decisions;
    for (const one of answers) one.approval ? accept(one.approval) : refuse(one.approval_id, one);
  } catch (error) {
    for (const row of rows) refuse(row.approval_id, error);
  }
  performance.mark("acknowledged");
}
/** @param {any} card */
function accept(card) {
  cards.set(card.approval_id, card);
  const row = list.rows.get(card.approval_id);
  if (row) list.put([{ ...row, state: card.state, effect_state: card.effect_state, decided_at: card.decided_at }]);
  if (card.state === "pending") setWaiting(waiting + 1);
  paintCard(card.approval_id);
}
/** It did not count: the row becomes what it was, and the true state is fetched. @param {string} id @param {any} error */
async function refuse(id, error) {
  setWaiting(waiting + 1);
  toast(error.error === "conflict" ? `Not counted: ${error.message}.` : `Not decided: ${error.message}.`, { kind: "bad", fix: error.fix });
  const row = list.rows.get(id);
  const card = await api(`/approvals/${id}`).catch(() => null);
  if (card) {
    cards.set(id, card);
    if (card.state !== "pending") setWaiting(waiting - 1);
  }
  if (row) list.put([{ ...row, state: card?.state || "pending", effect_state: card?.effect_state || "intended", digest: card?.digest || row.digest, decided_at: card?.decided_at ?? null }]);
  paintCard(id);
}
/** @param {string[]} ids */
async function deny(ids) {
  const pending = ids.filter((id) => list.rows.get(id)?.state === "pending");
  if (!pending.length) return;
  const reason = await askText({ title: pending.length > 1 ? `Deny ${pending.length} cards` : "Deny this", label: "Why? The agent reads it (may stay empty)", action: "Deny", kind: "danger", optional: true });
  if (reason !== null) await decide(pending, "deny", reason);
}
/** @param {string} id */
async function edit(id) {
  const card = cards.get(id);
  if (!card || list.rows.get(id)?.state !== "pending" || !can("decide_approval")) return;
  editing = true;
  detail.querySelector(".actions")?.remove(); // nobody approves the old call from beside a changed one
  const changed = await editor(card, detail.querySelector(".card-body"));
  editing = false;
  if (shownId !== id) return;
  if (!changed) return paintCard();
  if (!Object.keys(changed).length) {
    toast("Nothing was changed.");
    return paintCard();
  }
  try {
    replacing = { item_id: card.item_id, tool: card.tool, at: card.created_at };
    const answer = await api(`/approvals/${id}/decide`, { body: { verdict: "edit", digest: card.digest, args: changed } });
    accept(answer);
    setWaiting(waiting - 1);
    toast("Checking the changed call…");
  } catch (error) {
    replacing = null;
    told(error);
    await loadCard(id);
  }
}
/** @type {{item_id: string, tool: string, at: string}|null} an edited card whose successor is to be shown when it comes */
let replacing = null;

// ---- many at once ---------------------------------------------------------------------------------------------------
function paintBulk() {
  const many = [...list.picked].filter((id) => list.rows.get(id)?.state === "pending");
  bulk.hidden = !many.length;
  $("#hint").hidden = many.length > 0;
  if (many.length)
    bulk.replaceChildren(
      el("b", {}, `${many.length} selected`),
      button("Approve them", () => decide(many, "approve"), { kind: "primary small", icon: "check" }),
      button("Deny", () => deny(many), { kind: "danger small" }),
      button("Clear", () => clear(), { kind: "bare small" }),
    );
  const decided = showing === "pending" ? [...list.rows.values()].filter((row) => row.state !== "pending").length : 0;
  $("#hide").hidden = !decided;
  $("#hide").textContent = `Hide ${decided} decided`;
}
function clear() {
  list.picked.clear();
  list.paint();
  paintBulk();
}
function hide() {
  list.drop([...list.rows.values()].filter((row) => row.state !== "pending" && row.approval_id !== list.cursor).map((row) => row.approval_id));
  paintBulk();
}

// ---- the list -------------------------------------------------------------------------------------------------------
/** @param {number} many */
function setWaiting(many) {
  waiting = Math.max(0, many);
  $("#total").textContent = showing === "pending" ? String(waiting) : "";
  count("approvals", waiting);
}
const pill = button("", () => {
  box.scrollTop = box.scrollHeight;
  tellArrived(0);
}, { kind: "pill", icon: "down" });
box.after(pill);
/** @param {number} many below what can be seen */
function tellArrived(many) {
  arrived = many;
  pill.hidden = !arrived;
  pill.replaceChildren(icon("down"), el("span", {}, `${arrived} new`));
}
box.addEventListener("scroll", () => {
  if (arrived && !list.below) tellArrived(0);
});

const load = oneAtATime(async () => {
  const state = showing;
  try {
    let cursor;
    /** @type {any[]} */
    let rows = [];
    do {
      const page = await api("/inbox", { query: { state, limit: 1000, cursor } });
      rows = rows.concat(page.rows);
      cursor = page.next;
    } while (cursor && showing === state);
    if (showing !== state) return;
    const kept = list.current && !rows.some((row) => row.approval_id === list.cursor) ? [list.current] : [];
    list.replace(state === "pending" ? [...kept, ...rows] : rows);
    if (state === "pending") setWaiting(rows.length);
    performance.mark("full");
  } catch (error) {
    told(error);
  }
  $("#none")?.remove();
  if (!list.rows.size) box.append(el("div", { id: "none" }, el("p", { class: "empty" }, state === "pending" ? "All decided." : "Nothing here.")));
  paintBulk();
});

let fetching = 0;
/** @type {Set<string>} */
const wanted = new Set();
/** Cards that there is news of, fetched together. @param {string} id */
function want(id) {
  wanted.add(id);
  fetching ||= setTimeout(async () => {
    fetching = 0;
    const ids = [...wanted];
    wanted.clear();
    if (ids.length > 8) return load();
    for (const one of await Promise.all(ids.map((id) => api(`/approvals/${id}`).catch(() => null)))) if (one) arrive(one);
    list.paint();
    if (shownId === null && !list.cursor) detail.replaceChildren(nothing(waiting));
    performance.mark("arrived");
  }, 8);
}
/** @param {any} card */
function arrive(card) {
  const known = list.rows.get(card.approval_id);
  cards.set(card.approval_id, card);
  if (!known && (showing !== "pending" || card.state !== "pending")) return;
  $("#none")?.remove();
  list.put([{ ...(known || {}), ...short(card) }]);
  if (!known) {
    setWaiting(waiting + 1);
    if (list.below > 0) tellArrived(arrived + 1);
    if (replacing && card.item_id === replacing.item_id && card.tool === replacing.tool && card.created_at > replacing.at) {
      replacing = null;
      toast("Checked: this is the changed card.", { kind: "ok" });
      list.go(card.approval_id, "key");
    }
  } else if (known.state === "pending" && card.state !== "pending") setWaiting(waiting - 1);
  if (card.approval_id === shownId) {
    loadBeside(card.approval_id);
    paintCard(card.approval_id);
  }
  paintBulk();
}
onNews((news) => {
  const id = news.body.approval_id || (news.body.effect_id && [...list.rows.values()].find((row) => (cards.get(row.approval_id) || row).effect_id === news.body.effect_id)?.approval_id);
  if (id) want(id);
});
onState((state) => {
  if (state === "reload") load();
});

// ---- keys -----------------------------------------------------------------------------------------------------------
/** The card that is on the screen whole, and this person's to decide: nobody decides what they cannot see. @returns {string|null} */
function here() {
  if (shownId === null || shownId !== list.cursor || editing) return null;
  const card = cards.get(shownId);
  if (!card) toast("The card is not here yet.");
  else if (!card.eligible.includes(boot.who) || !can("decide_approval")) toast(`${card.eligible.join(", ")} may decide this.`);
  else return shownId;
  return null;
}
bind("j ArrowDown", "Next card", () => list.move(1), { repeat: true });
bind("k ArrowUp", "Card before", () => list.move(-1), { repeat: true });
bind("a", "Approve the card shown", () => {
  const id = here();
  if (id) decide([id], "approve");
});
bind("d", "Deny it, with a reason", () => {
  const id = here();
  if (id) deny([id]);
});
bind("e", "Edit it; it is checked and asks again", () => {
  const id = here();
  if (id) edit(id);
});
bind("x", "Select it", () => list.cursor && list.pick(list.cursor));
bind("A", "Approve the selected", () => decide([...list.picked], "approve"));
bind("D", "Deny the selected", () => deny([...list.picked]));
bind("h", "Hide what is decided", hide);
bind("/", "Filter", () => $("#q").focus());
bind("Escape", "Back to the list; clear the selection", () => (list.picked.size ? clear() : back()));
bind("Enter", "Read the card", () => {
  split.dataset.view = "card";
  detail.querySelector(".card-body")?.focus();
});

$("#q").addEventListener("input", () => {
  const said = $("#q").value.toLowerCase().split(/\s+/).filter(Boolean);
  list.filter = said.length ? (row) => said.every((/** @type {string} */ word) => `${row.title} ${row.headline} ${row.request} ${row.tool} ${row.reaches.join(" ")}`.toLowerCase().includes(word)) : null;
  list.sift();
});
$("#state").addEventListener("change", () => {
  list.cursor = null;
  show(null, "load");
  showing = $("#state").value;
  load();
});
$("#hide").addEventListener("click", hide);
addEventListener("popstate", () => {
  const id = /^\/approvals\/(.+)$/.exec(location.pathname)?.[1];
  split.dataset.view = id ? "card" : "list";
  if (id) open(id);
});

if (start.card) cards.set(start.card.approval_id, start.card);
list.put(start.rows);
setWaiting(start.total);
tellArrived(0);
const asked = /^\/approvals\/(.+)$/.exec(location.pathname)?.[1];
if (asked) open(asked);
else if (matchMedia("(min-width: 900px)").matches && start.rows.length) list.go(start.rows[0].approval_id, "load");
else show(null, "load");
list.paint();
paintBulk();
if (start.total !== start.rows.length || !start.rows.length) setTimeout(load);
if (!$("dialog[open]")) box.focus({ preventScroll: true });
performance.mark("interactive");
