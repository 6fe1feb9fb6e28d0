// One's own: when meetings suit, what Deputy keeps in mind, keys and sign-ins.
import { $, boot, button, can, card, chip, el, empty, labelled, notice } from "./dom.js";
import { keysCard, signInsCard } from "./keyring.js";
import { memoriesCard } from "./memory.js";
import { api, every } from "./net.js";
import { renew } from "./renew.js";
import { signOut } from "./shell.js";
import { ZONE } from "./times.js";
import { toast } from "./toast.js";

const body = $("#body");
const DAYS = [["mon", "Mon"], ["tue", "Tue"], ["wed", "Wed"], ["thu", "Thu"], ["fri", "Fri"], ["sat", "Sat"], ["sun", "Sun"]];

async function load() {
  try {
    const [me, person, memories, keys, sessions] = await Promise.all([
      api("/me"),
      api(`/people/${encodeURIComponent(boot.who)}`).catch(() => null),
      can("list_memories") ? every("/memories", "memories") : null,
      can("list_keys") ? api("/keys") : null,
      can("list_sessions") ? api("/sessions") : null,
    ]);
    renew(body, 
      el(
        "div",
        { class: "page stack" },
        card("Who you are here", el("p", { class: "row" }, el("b", {}, me.name), el("span", { class: "muted" }, me.person), me.roles.map((/** @type {string} */ role) => chip(role, { kind: "info", icon: "key" })))),
        person ? preferencesCard(person) : empty({ icon: "people", title: "The directory does not know you", text: "Preferences belong to a person of the directory.", command: "deputy people import people.csv --inside firm.example" }),
        memories && memoriesCard(memories, load),
        keys && keysCard(keys.keys, load),
        sessions && signInsCard(sessions.sessions, load),
      ),
    );
  } catch (error) {
    renew(body, notice(/** @type {any} */ (error), load));
  }
}

/** When meetings suit: what `calendar.find_slots` keeps to. @param {any} person */
function preferencesCard(person) {
  const has = person.preferences;
  const field = (/** @type {string} */ id, /** @type {string} */ words, /** @type {Record<string, any>} */ how) => {
    const made = el("input", { id, ...how });
    return [made, labelled(words, made)];
  };
  const [earliest, earliestField] = field("p-earliest", "Not before", { type: "time", value: has.earliest || "" });
  const [latest, latestField] = field("p-latest", "Not after", { type: "time", value: has.latest || "" });
  const [lunchFrom, lunchFromField] = field("p-lunch-from", "Lunch from", { type: "time", value: has.lunch?.[0] || "" });
  const [lunchTo, lunchToField] = field("p-lunch-to", "Lunch until", { type: "time", value: has.lunch?.[1] || "" });
  const [buffer, bufferField] = field("p-buffer", "Minutes between meetings", { type: "number", min: "0", max: "1440", value: has.buffer_minutes ?? "" });
  const [zone, zoneField] = field("p-zone", "Time zone", { list: "zones", placeholder: person.zone || ZONE, value: has.zone || "" });
  const days = DAYS.map(([value, words]) => {
    const box = el("input", { type: "checkbox", name: "avoid", id: `p-${value}` });
    box.checked = (has.avoid_days || []).includes(value);
    return { value, box, shown: el("label", { class: "row" }, box, words) };
  });
  const said = el("div", { role: "status" });
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const lunch = [lunchFrom.value, lunchTo.value];
    if (Boolean(lunch[0]) !== Boolean(lunch[1])) return said.replaceChildren(notice({ message: "lunch has one end only", fix: "give both times, or neither" }));
    const avoid = days.filter((one) => one.box.checked).map((one) => one.value);
    const now = { earliest: earliest.value || null, latest: latest.value || null, lunch: lunch[0] ? lunch : null, buffer_minutes: buffer.value === "" ? null : Number(buffer.value), zone: zone.value.trim() || null, avoid_days: avoid.length ? avoid : null };
    try {
      await api(`/people/${encodeURIComponent(person.address)}/preferences`, { method: "PATCH", body: now });
      said.replaceChildren();
      toast("Kept. Times are found by it from now on.", { kind: "ok" });
    } catch (error) {
      said.replaceChildren(notice(/** @type {any} */ (error)));
    }
  };
  return el(
    "section",
    { class: "card" },
    el("header", {}, el("h2", {}, "When meetings suit you")),
    el(
      "form",
      { class: "stack", onsubmit: save },
      el("div", { class: "grid" }, earliestField, latestField, lunchFromField, lunchToField, bufferField, zoneField),
      el("datalist", { id: "zones" }, Intl.supportedValuesOf("timeZone").map((one) => el("option", { value: one }))),
      el("fieldset", {}, el("legend", {}, "Rather not on"), el("div", { class: "row" }, days.map((one) => one.shown))),
      said,
      can("set_preferences") && el("p", {}, el("button", { class: "primary" }, "Keep")),
    ),
  );
}
$("#tools").append(button("Sign out", signOut, { icon: "key", kind: "small" }));
load();
