// The kill switch: everything, one agent, or one connector, from every page; what stands still is told on every page.
import { button, can, el, icon, labelled } from "./dom.js";
import { bind } from "./keys.js";
import { onNews } from "./live.js";
import { api } from "./net.js";
import { renew } from "./renew.js";
import { dialog, offer } from "./shell.js";
import { at } from "./times.js";
import { told, toast } from "./toast.js";

/** @type {NodeListOf<HTMLElement>} */
const places = document.querySelectorAll("[data-halt]");
/** @type {any[]} */
let halts = [];

async function load() {
  halts = (await api("/halt").catch(() => ({ halts: [] }))).halts;
  for (const place of places)
    renew(
      place,
      ...[
        halts.length > 0 && el("div", { class: "halted", role: "status" }, icon("halt"), el("span", {}, halts.length === 1 ? halts[0].text : `${halts.length} halts in force`), can("lift_halt") && button("Lift…", open, { kind: "small" })),
        !halts.length && can("halt") && button("Stop everything…", open, { kind: "bare small danger stop", icon: "halt" }),
      ].filter(Boolean),
    );
}
export function open() {
  const scope = el("select", { id: "h-scope" }, [["all", "Everything"], ["agent", "One agent"], ["connector", "One connector"]].map(([value, words]) => el("option", { value }, words)));
  const name = el("input", { id: "h-name", placeholder: "its name" });
  const reason = el("input", { id: "h-reason", placeholder: "why (may stay empty)" });
  const whose = labelled("Which", name);
  whose.hidden = true;
  scope.addEventListener("change", () => {
    whose.hidden = scope.value === "all";
  });
  const inside = el("div", { class: "inside stack" });
  const box = dialog({ label: "Stop" }, inside);
  const stop = async () => {
    try {
      const made = await api("/halt", { body: { ...(scope.value === "all" ? {} : { [scope.value]: name.value.trim() }), ...(reason.value ? { reason: reason.value } : {}) } });
      inside.replaceChildren(
        el("h2", {}, "It stands still"),
        made.in_flight.length
          ? [el("p", {}, "These were under way; each is looked up, and told as it came out:"), el("ul", { class: "stack" }, made.in_flight.map((/** @type {any} */ one) => el("li", {}, el("a", { href: `/work/${one.item_id}` }, one.preview || one.tool))))]
          : el("p", {}, "Nothing was under way."),
        el("footer", {}, el("button", { type: "button", "data-close": true }, "Close")),
      );
      load();
    } catch (error) {
      told(error);
    }
  };
  const lift = async (/** @type {any} */ one) => {
    try {
      await api("/halt/lift", { body: { halt_id: one.halt_id } });
      toast("Lifted: work goes on.", { kind: "ok" });
      box.close();
      load();
    } catch (error) {
      told(error);
    }
  };
  inside.replaceChildren(
    ...[
      halts.length > 0 && el("section", { class: "stack" }, el("h2", {}, "In force"), el("ul", { class: "stack" }, halts.map((one) => el("li", { class: "row" }, icon("halt"), el("span", {}, one.text, el("span", { class: "muted small" }, " since ", at(one.at))), can("lift_halt") && button("Lift", () => lift(one), { kind: "small push" }))))),
      can("halt") && el("h2", {}, "Stop"),
      can("halt") && el("p", { class: "muted" }, "From now on no effect and no model call of it begins. What is under way is told, and looked up."),
      can("halt") && labelled("What", scope),
      can("halt") && whose,
      can("halt") && labelled("Why", reason),
      el("footer", {}, el("button", { type: "button", "data-close": true }, "Leave it"), can("halt") && button("Stop it now", stop, { kind: "danger", icon: "halt", id: "halt-now" })),
    ].filter(Boolean),
  );
}
if (can("list_halts")) {
  load();
  onNews((news) => news.kind.startsWith("halt") && load());
  if (can("halt")) {
    bind("!", "Stop everything, an agent or a connector", open, { group: "Everywhere" });
    offer({ words: "Stop everything, an agent or a connector", icon: "halt", act: open });
  }
}
