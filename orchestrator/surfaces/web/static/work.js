// The worklist: what is served when and why, reordered by keys or by hand. The cursor is an id; dragging names the row it was begun on.
import { $, button, can, chip, command, cut, el, first, icon, notice, stateChip } from "./dom.js";
import { chooseNeeds } from "./after.js";
import { actions, answer, answerFreely, FINAL, isOpen, nudge, sections, snooze, stop } from "./item.js";
import { bind } from "./keys.js";
import { VirtualList } from "./list.js";
import { onNews, onState } from "./live.js";
import { api, every, oneAtATime } from "./net.js";
import { renew } from "./renew.js";
import { count, offer, submit } from "./shell.js";
import { at, since } from "./times.js";
import { act, told } from "./toast.js";
import { waitWords } from "./values.js";

const split = $(".split");
const box = $("#list");
const detail = $("#detail");
const start = first();
const MINUTE = 60000;
let showing = "open";
/** @type {any} the whole document on the right side */
let item = null;

const list = new VirtualList(box, {
  id: (row) => row.item_id,
  height: 80,
  draw,
  changed: (row, why) => why !== "pick" && show(row?.item_id ?? null, why),
  open: () => {
    split.dataset.view = "card";
    history.pushState(null, "", `/work/${list.cursor}`);
  },
});

/** @param {any} row */
function draw(row) {
  const made = el(
    "div",
    { class: FINAL.includes(row.state) ? "decided" : "", draggable: isOpen(row) && !row.parent ? "true" : false },
    el("span", { class: "place num" }, row.position ? String(row.position) : ""),
    el(
      "span",
      { class: "grow" },
      el("span", { class: "l1" }, row.parent && el("span", { class: "muted" }, "└"), el("b", { class: "clip" }, row.request), el("span", { class: "age" }, since(row.created_at, { past: "{}" }))),
      el("span", { class: "l2 clip small" }, row.why_here),
      el("span", { class: "l3" }, stateChip(row.state, waitWords(row)), row.due && chip("due", { icon: "clock" }), row.due && at(row.due), row.priority !== 100 && chip(`priority ${row.priority}`), row.snooze_until && [icon("snooze"), at(row.snooze_until)]),
    ),
    isOpen(row) && !row.parent && el("span", { class: "grip", "aria-hidden": "true" }, icon("grip")),
  );
  made.addEventListener("dragstart", (/** @type {DragEvent} */ event) => {
    event.dataTransfer?.setData("text/plain", row.item_id);
    made.classList.add("dragged");
  });
  made.addEventListener("dragend", () => made.classList.remove("dragged"));
  return made;
}
box.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  const over = /** @type {HTMLElement} */ (event.target).closest(".opt");
  for (const one of box.querySelectorAll(".drop")) if (one !== over) one.classList.remove("drop");
  over?.classList.add("drop");
});
box.addEventListener("drop", (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  for (const one of box.querySelectorAll(".drop")) one.classList.remove("drop");
  const id = event.dataTransfer?.getData("text/plain");
  const onto = /** @type {HTMLElement|null} */ (/** @type {HTMLElement} */ (event.target).closest(".opt"))?.dataset.id;
  if (id && onto && id !== onto) place(id, onto, list.order.indexOf(id) < list.order.indexOf(onto) ? "after" : "before");
});

// ---- order ----------------------------------------------------------------------------------------------------------
/** The instant a row is served by: what the list is sorted by. @param {any} row */
const deadline = (row) => Date.parse(row.due || row.created_at) + (row.priority - 100) * MINUTE;
/** Moves a row next to another one, by the priority that puts it there. @param {string} id @param {string} other @param {"before"|"after"} where */
async function place(id, other, where) {
  const row = list.rows.get(id);
  const next = list.rows.get(other);
  if (!row || !next || !can("change_item")) return;
  const order = list.order.filter((one) => one !== id);
  order.splice(order.indexOf(other) + (where === "after" ? 1 : 0), 0, id);
  const changes = priorities(order.map((one) => list.rows.get(one)).filter((one) => one && !one.parent), id);
  arrange(order);
  performance.mark("moved");
  await act(
    async () => {
      for (const [one, priority] of changes) await api(`/items/${one}`, { method: "PATCH", body: { priority } });
    },
    `Moved${changes.length > 1 ? `; ${changes.length - 1} others stepped aside` : ""}.`,
    reload,
  );
}
/**
 * The priorities that make this order so: of the moved row, and of as few behind it as have to step aside, because a point of
 * priority is worth a whole minute. @param {any[]} rows in the wanted order @param {string} id the moved one
 * @returns {[string, number][]}
 */
function priorities(rows, id) {
  const at = rows.findIndex((row) => row.item_id === id);
  const [before, moved, behind] = [rows[at - 1], rows[at], rows[at + 1]];
  const points = (/** @type {any} */ row, /** @type {number} */ until) => (until - deadline(row)) / MINUTE;
  let priority = behind ? moved.priority + Math.ceil(points(moved, deadline(behind))) - 1 : moved.priority;
  const place = (/** @type {any} */ row, /** @type {number} */ its) => deadline({ ...row, priority: its });
  if (before && place(moved, priority) <= deadline(before)) priority = moved.priority + Math.floor(points(moved, deadline(before))) + 1;
  /** @type {[string, number][]} */
  const changes = [[id, priority]];
  let last = place(moved, priority);
  for (const row of rows.slice(at + 1)) {
    if (deadline(row) > last) break;
    const later = row.priority + Math.floor((last - deadline(row)) / MINUTE) + 1;
    changes.push([row.item_id, later]);
    last = place(row, later);
  }
  return changes;
}
/** @param {string[]} order ids */
function arrange(order) {
  const rows = order.map((id) => /** @type {any} */ (list.rows.get(id)));
  list.replace([...rows, ...[...list.rows.values()].filter((row) => !order.includes(row.item_id))]);
  if (list.cursor) list.reveal(list.cursor);
}
/** @param {number} by */
function shift(by) {
  const roots = list.order.filter((id) => !list.rows.get(id)?.parent);
  const to = list.cursor ? roots[roots.indexOf(list.cursor) + by] : undefined;
  if (list.cursor && to) place(list.cursor, to, by > 0 ? "after" : "before");
}
async function top() {
  const id = list.cursor;
  if (!id) return;
  if (can("bump_item")) {
    arrange([id, ...list.order.filter((one) => one !== id)]);
    await act(() => api(`/items/${id}/bump`, { body: {} }), "It is next.", reload);
  } else if (list.order[0] !== id) await place(id, list.order[0], "before");
}

// ---- one request ----------------------------------------------------------------------------------------------------
/** @param {string|null} id @param {string} why */
async function show(id, why) {
  item = null;
  if (id === null) {
    detail.replaceChildren(
      el("div", { class: "empty" }, icon("list"), el("h2", {}, list.rows.size ? "Pick a request" : "Nothing to do"), el("p", {}, list.rows.size ? "j and k move; the order and the reason for it stand beside each." : "Ask for something above, or at the terminal:"), !list.rows.size && command('deputy ask "What is on my calendar today?"')),
    );
    return;
  }
  if (why === "key") history.replaceState(null, "", `/work/${id}`);
  detail.scrollTop = 0;
  await refresh(id);
}
async function refresh(id = list.cursor) {
  if (!id) return;
  try {
    const found = await api(`/items/${id}`);
    if (id !== list.cursor) return;
    item = found;
    list.put([{ ...(list.rows.get(id) || {}), ...found }]);
    paintItem();
  } catch (error) {
    if (id === list.cursor) detail.replaceChildren(el("div", { class: "card-body" }, notice(/** @type {any} */ (error), () => refresh(id))));
  }
}
function paintItem() {
  renew(
    detail,
    el("div", { class: "back" }, el("h1", { class: "vh" }, "Worklist"), button("Worklist", back, { icon: "left", kind: "bare small" })),
    el("div", { class: "card-body", tabindex: "0", role: "region", "aria-label": "Request", "data-key": item.item_id }, sections(item, reload)),
    actions(item, reload, { top: can("change_item") ? top : undefined }),
  );
}
function back() {
  split.dataset.view = "list";
  history.replaceState(null, "", "/work");
  box.focus();
}

// ---- the list -------------------------------------------------------------------------------------------------------
const STATES = { open: "ready,running,waiting", done: "done", failed: "failed,denied,needs_model,over_budget,cancelled" };
async function reload() {
  try {
    const rows = nested(await every("/items", "items", { state: STATES[/** @type {"open"} */ (showing)], limit: 500 }, 10000));
    const kept = list.current && !rows.some((row) => row.item_id === list.cursor) ? [list.current] : [];
    list.replace([...rows, ...kept]);
    if (showing === "open") count("work", rows.length);
    performance.mark("full");
    await refresh();
  } catch (error) {
    told(error);
  }
}
/** Children behind their parents, where those are on the list. @param {any[]} rows @returns {any[]} */
function nested(rows) {
  const known = new Set(rows.map((row) => row.item_id));
  /** @type {Map<string|null, any[]>} */
  const below = new Map();
  for (const row of rows) {
    const above = known.has(row.parent) ? row.parent : null;
    below.set(above, [...(below.get(above) || []), row]);
  }
  if (below.size <= 1) return rows;
  /** @param {string|null} above @returns {any[]} */
  const walk = (above) => (below.get(above) || []).flatMap((/** @type {any} */ row) => [row, ...walk(row.item_id)]);
  return walk(null);
}
let due = 0;
onNews((news) => {
  if (news.kind === "run.progress" || !news.item_id) return;
  if (news.item_id === list.cursor || news.root_id === list.cursor) refresh();
  due ||= setTimeout(() => {
    due = 0;
    if (!document.querySelector(".dragged")) settle();
  }, 300);
});
/** New states go into their rows; new rows come at the end; nothing that is seen moves until the reader reloads or reorders. */
const settle = oneAtATime(async () => {
  const fresh = await every("/items", "items", { state: STATES[/** @type {"open"} */ (showing)], limit: 500 }, 10000).catch(() => null);
  if (!fresh) return;
  const known = new Set(fresh.map((row) => row.item_id));
  list.put(fresh);
  const gone = [...list.rows.values()].filter((row) => !known.has(row.item_id) && isOpen(row));
  for (const row of gone) {
    const found = await api(`/items/${row.item_id}`).catch(() => null);
    if (found) list.put([{ ...row, ...found, why_here: cut(found.text || found.error?.message || found.why_here || "", 90) }]);
  }
  if (showing === "open") count("work", fresh.length);
});
onState((state) => {
  if (state === "reload") reload();
});

const current = () => (item && item.item_id === list.cursor ? item : null);
/** @param {(item: any) => void} does */
const on = (does) => () => {
  const one = current();
  if (one && isOpen(one)) does(one);
};
bind("j ArrowDown", "Next request", () => list.move(1), { repeat: true });
bind("k ArrowUp", "Request before", () => list.move(-1), { repeat: true });
bind("J Alt-ArrowDown", "Serve it later", () => shift(1));
bind("K Alt-ArrowUp", "Serve it earlier", () => shift(-1));
bind("b", "To the top", top);
bind("s", "Snooze", on((one) => can("change_item") && snooze(one, reload)));
bind("n", "Nudge", on((one) => can("nudge_item") && nudge(one, reload)));
bind("p", "Pause, or go on", on((one) => act(() => api(`/items/${one.item_id}/${one.paused || one.pausing ? "resume" : "pause"}`, { body: {} }), one.paused ? "It goes on." : "It stops at the next safe place.", reload)));
bind("X", "Stop it", on((one) => can("cancel_item") && stop(one, reload)));
for (const digit of "123456789")
  bind(digit, `Answer with choice ${digit}`, on((one) => {
    const question = one.questions[0];
    const choice = question?.choices[Number(digit) - 1];
    if (choice) answer(one, question, choice, reload);
  }), { group: "Questions" });
bind("r", "Answer in your own words", on((one) => one.questions[0] && answerFreely(one, one.questions[0], reload)), { group: "Questions" });
bind("/", "Ask for something", () => $("#request").focus());
bind("Escape", "Back to the list", back);
bind("Enter", "Read the request", () => {
  split.dataset.view = "card";
  detail.querySelector(".card-body")?.focus();
});

$("#state").addEventListener("change", () => {
  showing = $("#state").value;
  list.cursor = null;
  show(null, "load");
  reload();
});
$("#ask").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const field = $("#request");
  const made = await submit(field.value.trim(), needs);
  if (!made) return;
  field.value = "";
  needs = [];
  tellNeeds();
  list.put([made]);
  list.go(made.item_id, "key");
  box.focus({ preventScroll: true });
});
/** What the next one is to wait for. @type {string[]} */
let needs = [];
function tellNeeds() {
  const words = needs.length ? `After ${needs.length}` : "After…";
  $("#after").textContent = words;
  $("#after").title = needs.map((id) => list.rows.get(id)?.request || id).join("\n");
}
async function after() {
  const open = [...list.rows.values()].filter((row) => isOpen(row));
  needs = (await chooseNeeds(open, needs)) ?? needs;
  tellNeeds();
  $("#request").focus();
}
$("#after").addEventListener("click", after);
$("#ask").hidden = !can("submit_items");
if (can("submit_items")) offer({ words: "Ask for something that waits for another request", icon: "list", act: after });
offer({ words: "Reload the worklist in serving order", icon: "list", act: reload });

list.put(nested(start.items));
const asked = /^\/work\/(.+)$/.exec(location.pathname)?.[1];
if (asked) {
  split.dataset.view = "card";
  api(`/items/${asked}`).then((found) => {
    list.put([found]);
    list.go(asked, "load");
  }, (error) => detail.replaceChildren(el("div", { class: "back" }, button("Worklist", back, { icon: "left", kind: "bare small" })), el("div", { class: "card-body" }, notice(error))));
} else if (matchMedia("(min-width: 900px)").matches && start.items.length) list.go(start.items[0].item_id, "load");
else show(null, "load");
list.paint();
if (start.next) setTimeout(reload);
box.focus({ preventScroll: true });
performance.mark("interactive");
