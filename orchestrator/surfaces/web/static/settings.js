// Settings as they are in force, masked, with where each comes from; API keys and sign-ins of one's own.
import { $, button, can, card, chip, command, el, notice, table } from "./dom.js";
import { api } from "./net.js";
import { askText, dialog, signOut } from "./shell.js";
import { at, since } from "./times.js";
import { told, toast } from "./toast.js";

const body = $("#body");
/** @param {any} value */
const shown = (value) => (value === null || value === "" ? el("span", { class: "muted" }, "not set") : el("code", {}, typeof value === "string" ? value : JSON.stringify(value)));

/** e.g. "Firefox on Windows". @param {string} told */
function device(told) {
  const browser = /(Firefox|Edg|Chrome|Safari)\//.exec(told)?.[1]?.replace("Edg", "Edge");
  const system = /(Windows|Mac OS X|Android|iPhone|Linux)/.exec(told)?.[1]?.replace("Mac OS X", "macOS");
  return browser ? `${browser}${system ? ` on ${system}` : ""}` : told.slice(0, 60);
}

async function load() {
  try {
    const [told_, keys, sessions] = await Promise.all([api("/settings"), can("list_keys") ? api("/keys").catch(() => null) : null, can("list_sessions") ? api("/sessions").catch(() => null) : null]);
    const set = told_.settings.filter((/** @type {any} */ one) => one.origin !== "default");
    const rest = told_.settings.filter((/** @type {any} */ one) => one.origin === "default");
    const rows = (/** @type {any[]} */ all) => all.map((one) => [el("code", {}, one.name), shown(one.value), one.origin === "default" ? el("span", { class: "muted" }, "default") : chip(one.origin, { title: one.place, kind: "info" }), el("span", { class: "small" }, one.description)]);
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        keys && keysCard(keys.keys),
        sessions && card("Where you are signed in", table("Sign-ins", ["Sign-in", "Since", "Last used", ""], sessions.sessions.map((/** @type {any} */ one) => [el("span", { title: one.device }, device(one.device || one.via), " ", one.current && chip("this one", { kind: "ok", icon: "check" })), at(one.created_at || one.opened_at), since(one.seen_at || one.used_at || null), can("end_session") && !one.current && button("End", () => end(`/sessions/${one.session_id}`, "Ended."), { kind: "small danger" })]))),
        set.length > 0 && card("Set here", table("Set", ["Setting", "Value", "From", "What it is"], rows(set))),
        card("Defaults", table("Defaults", ["Setting", "Value", "From", "What it is"], rows(rest)), el("p", { class: "row" }, el("span", { class: "muted small" }, "Settings are changed in deputy.toml, by the environment, or by flags:"), command("deputy config show --origin"))),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
/** @param {any[]} keys */
const keysCard = (keys) =>
  el(
    "section",
    { class: "card" },
    el("header", {}, el("h2", {}, "API keys"), can("create_key") && el("span", { class: "push" }, button("New key", create, { icon: "plus", kind: "small" }))),
    keys.length ? table("API keys", ["Key", "Scopes", "Expires", "Last used", ""], keys.map((one) => [el("span", {}, one.name || one.key_id, el("span", { class: "muted mono small" }, ` ${one.prefix || ""}`)), (one.scopes || []).join(", "), at(one.expires_at) || "–", since(one.used_at || null) || "–", one.revoked_at ? chip("revoked") : can("revoke_key") && button("Revoke", () => end(`/keys/${one.key_id}`, "Revoked."), { kind: "small danger" })])) : el("p", { class: "muted" }, "None: programs that call the desk need one."),
  );
async function create() {
  const name = await askText({ title: "New API key", label: "What is it for? It may read and submit, for 90 days.", action: "Make it", long: false });
  if (!name) return;
  try {
    const made = await api("/keys", { body: { name, scopes: ["read", "submit"] } });
    dialog({ label: "The key" }, el("div", { class: "inside stack" }, el("h2", {}, "This is shown once"), command(made.key || made.token || made.secret || ""), el("footer", {}, el("button", { type: "button", "data-close": true }, "I have kept it"))));
    load();
  } catch (error) {
    told(error);
  }
}
/** @param {string} path @param {string} words */
async function end(path, words) {
  try {
    await api(path, { method: "DELETE" });
    toast(words, { kind: "ok" });
  } catch (error) {
    told(error);
  }
  load();
}
$("#tools").append(button("Sign out", signOut, { icon: "key", kind: "small" }));
load();
