// Standing orders: what each new mail, event or message of one's own accounts asks for.
import { button, can, chip, el, labelled, notice } from "./dom.js";
import { api } from "./net.js";
import { confirm, dialog } from "./shell.js";
import { act, toast } from "./toast.js";

const ICONS = { mail: "mail", calendar: "calendar", chat: "chat" };
const HINTS = {
  mail: ["File the mail {message_id} under Invoices", "subject~invoice"],
  calendar: ["Tell me who changed the meeting {event_id}", "title~review"],
  chat: ["Summarise the message {message_id} in {channel} for me", "text~deadline"],
};

/** @param {{triggers: any[], followed: any[]}} found @param {() => void} again */
export const ordersCard = (found, again) =>
  el(
    "section",
    { class: "card" },
    el("header", {}, el("h2", {}, "Standing orders"), can("add_trigger") && el("span", { class: "push" }, button("New order", () => add(again), { icon: "plus", kind: "small" }))),
    found.triggers.length ? el("ul", { class: "stack" }, found.triggers.map((one) => row(one, again))) : el("p", { class: "muted" }, "None: each new mail, event or message that meets your conditions can ask for something."),
    found.followed.filter((one) => one.error).map((one) => el("p", { class: "bad small" }, `${one.connection} (${one.on}) cannot be read: ${one.error}`)),
  );

/** @param {any} one @param {() => void} again */
function row(one, again) {
  const path = `/triggers/${encodeURIComponent(one.trigger_id)}`;
  const paused = one.state !== "active";
  const remove = async () => {
    if (await confirm({ title: `Remove “${one.name}”?`, text: "What it has asked so far stays.", action: "Remove", keep: "Keep it" })) act(() => api(path, { method: "DELETE" }), "Removed.", again);
  };
  return el(
    "li",
    { class: "row", "data-key": one.trigger_id },
    chip(one.on, { kind: "info", icon: ICONS[/** @type {"mail"} */ (one.on)] }),
    el("span", { class: "grow" }, el("b", {}, one.name), " ", one.request, one.where.length > 0 && el("span", { class: "muted small" }, " where ", one.where.map((/** @type {string} */ part) => el("code", {}, part)))),
    el("span", { class: "muted small" }, `${one.asked} asked`),
    paused && chip("paused", { kind: "warn", icon: "pause" }),
    paused ? can("resume_trigger") && button("Resume", () => act(() => api(`${path}/resume`, { body: {} }), "It goes on with what is new from now.", again), { icon: "play", kind: "small", label: `Resume ${one.name}` }) : can("pause_trigger") && button("Pause", () => act(() => api(`${path}/pause`, { body: {} }), "What comes meanwhile asks nothing.", again), { icon: "pause", kind: "small", label: `Pause ${one.name}` }),
    can("remove_trigger") && button("Remove", remove, { kind: "danger small", label: `Remove ${one.name}` }),
  );
}

/** @param {() => void} again */
function add(again) {
  const name = el("input", { id: "o-name", required: true, maxlength: "80", placeholder: "invoices" });
  const on = el("select", { id: "o-on" }, [["mail", "new mail"], ["calendar", "a changed calendar"], ["chat", "a new message"]].map(([value, words]) => el("option", { value }, words)));
  const where = el("textarea", { id: "o-where", rows: 3 });
  const request = el("textarea", { id: "o-request", required: true, rows: 2 });
  const own = el("input", { id: "o-own", type: "checkbox" });
  const said = el("div", { role: "status" });
  const hint = () => {
    const [asks, condition] = HINTS[/** @type {"mail"} */ (on.value)];
    request.placeholder = asks;
    where.placeholder = condition;
  };
  on.addEventListener("change", hint);
  hint();
  const form = el(
    "form",
    { class: "inside stack" },
    el("header", {}, el("h2", {}, "New standing order")),
    labelled("Name", name),
    labelled("At each", on),
    labelled("Where (one condition a line; all must hold; none: always)", where),
    labelled("Ask ({field} is filled in from the record)", request),
    el("label", { class: "row" }, own, el("span", {}, "Also what I wrote myself")),
    said,
    el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), el("button", { class: "primary" }, "Add")),
  );
  const box = dialog({ label: "New standing order" }, form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const conditions = where.value.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean);
    try {
      await api("/triggers", { body: { name: name.value.trim(), on: on.value, request: request.value.trim(), where: conditions, own: own.checked } });
      box.close();
      toast("It begins with what is new from now on.", { kind: "ok" });
      again();
    } catch (error) {
      said.replaceChildren(notice(/** @type {any} */ (error)));
    }
  });
  name.focus();
}
