// What schedules did without their owner, in groups, and what waits to be approved. INVARIANT: only ids that are listed are decided, each with its digest.
import { button, can, chip, cut, el, icon, stateChip } from "./dom.js";
import { api } from "./net.js";
import { confirm } from "./shell.js";
import { at, since } from "./times.js";
import { told } from "./toast.js";

const GROUPS = [["done", "Done"], ["waiting", "Waiting"], ["running", "At work"], ["failed", "Failed"], ["not_started", "Did not start"]];
const MOST = 200; // decisions in one call
/** @type {Map<string, {card: any, approval?: any, message?: string, fix?: string}>} what became of each card that was decided here */
const outcomes = new Map();

/** @param {any} digest @param {() => void} again after something was decided */
export function digestCard(digest, again) {
  const listed = digest.approve.flatMap((/** @type {any} */ one) => one.approval_ids.map((/** @type {string} */ id) => ({ ...one, approval_id: id, isMine: one.yours.includes(id) })));
  const gone = [...outcomes.values()].filter((one) => one.message && !listed.some((/** @type {any} */ card) => card.approval_id === one.card.approval_id));
  const cards = [...listed, ...gone.map((one) => ({ ...one.card, isMine: false }))]; // somebody else was faster: that is told, too
  if (!GROUPS.some(([name]) => digest[name].length) && !cards.length) return null;
  const open = cards.filter((/** @type {any} */ one) => one.isMine && !outcomes.get(one.approval_id)?.approval);
  const bulk = open.length > 1 && can("decide_approvals") && button(`Approve these ${open.length}`, () => all(open, again), { icon: "check", kind: "primary small" });
  return el(
    "section",
    { class: "card", "data-key": "digest" },
    el("header", {}, el("h2", {}, "Since ", at(digest.since)), bulk && el("span", { class: "push", "data-key": open.map((/** @type {any} */ one) => one.approval_id).join(" ") }, bulk)), // for other cards it is another button
    el(
      "div",
      { class: "stack" },
      cards.length > 0 && el("section", { "data-key": "to approve" }, el("h3", {}, "To approve"), el("ul", { id: "to-approve" }, cards.map((/** @type {any} */ one) => ask(one, again)))),
      GROUPS.map(([name, words]) => digest[name].length > 0 && el("section", { "data-key": name }, el("h3", {}, `${words} (${digest[name].length})`), el("ul", {}, digest[name].map(entry)))),
    ),
  );
}

/** @param {any} one */
function entry(one) {
  const said = cut(one.why || one.question || one.text || "", 200);
  return el(
    "li",
    { class: "row small", "data-key": `${one.schedule} ${one.at}` },
    stateChip(one.firing === "started" ? one.state || "started" : one.firing),
    one.item_id ? el("a", { href: `/work/${one.item_id}` }, one.schedule) : el("a", { href: `/schedules#${encodeURIComponent(one.schedule)}` }, one.schedule),
    el("span", { class: "muted" }, at(one.at)),
    said && el("span", {}, said),
    one.odd.map((/** @type {string} */ words) => chip(`unusual: ${words}`, { kind: "warn", icon: "warn" })),
  );
}

/** @param {any} one a card @param {() => void} again */
function ask(one, again) {
  const became = outcomes.get(one.approval_id);
  return el(
    "li",
    { "data-key": one.approval_id },
    el("p", { class: "row" }, icon("inbox"), el("a", { href: `/approvals/${one.approval_id}` }, cut(one.preview || one.tool, 160)), became?.approval ? el("span", { class: "push" }, stateChip(became.approval.state)) : one.isMine && can("decide_approvals") && el("span", { class: "push" }, button("Approve", () => decide([one], again), { icon: "check", kind: "small", label: `Approve: ${cut(one.preview || one.tool, 80)}` }))),
    el("p", { class: "muted small" }, one.schedules.join(", "), " · ", since(one.expires_at, { future: "expires in {}", past: "expired {} ago" })),
    became?.message && el("p", { class: "bad small", role: "alert" }, `Not counted: ${became.message}.`, became.fix && ` ${became.fix}`),
  );
}

/** @param {any[]} cards @param {() => void} again */
async function all(cards, again) {
  const text = `Exactly these: ${cards.map((one) => cut(one.preview || one.tool, 80)).join("; ")}.`;
  if (await confirm({ title: `Approve ${cards.length} cards?`, text, action: "Approve them", keep: "Not yet" })) await decide(cards, again);
}

/** Each succeeds or fails on its own, and says so at its own line. @param {any[]} cards @param {() => void} again */
async function decide(cards, again) {
  try {
    for (let from = 0; from < cards.length; from += MOST) {
      const decisions = cards.slice(from, from + MOST).map((one) => ({ approval_id: one.approval_id, verdict: "approve", digest: one.digest }));
      for (const one of (await api("/approvals/decide", { body: { decisions } })).decisions) outcomes.set(one.approval_id, { ...one, card: cards.find((card) => card.approval_id === one.approval_id) });
    }
  } catch (error) {
    told(error);
  }
  again();
}
