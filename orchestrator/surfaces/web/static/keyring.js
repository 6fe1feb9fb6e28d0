// Ways in of one's own: API keys for programs, and where one is signed in.
import { button, can, card, chip, command, el, table } from "./dom.js";
import { api } from "./net.js";
import { askText, dialog } from "./shell.js";
import { at, since } from "./times.js";
import { act, told } from "./toast.js";

/** e.g. "Firefox on Windows". @param {string} told */
function device(told) {
  const browser = /(Firefox|Edg|Chrome|Safari)\//.exec(told)?.[1]?.replace("Edg", "Edge");
  const system = /(Windows|Mac OS X|Android|iPhone|Linux)/.exec(told)?.[1]?.replace("Mac OS X", "macOS");
  return browser ? `${browser}${system ? ` on ${system}` : ""}` : told.slice(0, 60);
}

/** @param {any[]} sessions @param {() => void} again */
export const signInsCard = (sessions, again) =>
  card(
    "Where you are signed in",
    table("Sign-ins", ["Sign-in", "Since", "Last used", ""], sessions.map((one) => [el("span", { title: one.device }, device(one.device || one.via), " ", one.current && chip("this one", { kind: "ok", icon: "check" })), at(one.created_at || one.opened_at), since(one.seen_at || one.used_at || null), can("end_session") && !one.current && button("End", () => act(() => api(`/sessions/${one.session_id}`, { method: "DELETE" }), "Ended.", again), { kind: "small danger" })]), sessions.map((one) => one.session_id)),
  );
/** @param {any[]} keys @param {() => void} again */
export const keysCard = (keys, again) =>
  el(
    "section",
    { class: "card" },
    el("header", {}, el("h2", {}, "API keys"), can("create_key") && el("span", { class: "push" }, button("New key", () => create(again), { icon: "plus", kind: "small" }))),
    keys.length ? table("API keys", ["Key", "Scopes", "Expires", "Last used", ""], keys.map((one) => [el("span", {}, one.name || one.key_id, el("span", { class: "muted mono small" }, ` ${one.prefix || ""}`)), (one.scopes || []).join(", "), at(one.expires_at) || "–", since(one.used_at || null) || "–", one.revoked_at ? chip("revoked") : can("revoke_key") && button("Revoke", () => act(() => api(`/keys/${one.key_id}`, { method: "DELETE" }), "Revoked.", again), { kind: "small danger" })]), keys.map((one) => one.key_id)) : el("p", { class: "muted" }, "None: programs that call the desk need one."),
  );
/** @param {() => void} again */
async function create(again) {
  const name = await askText({ title: "New API key", label: "What is it for? It may read and submit, for 90 days.", action: "Make it", long: false });
  if (!name) return;
  try {
    const made = await api("/keys", { body: { name, scopes: ["read", "submit"] } });
    dialog({ label: "The key" }, el("div", { class: "inside stack" }, el("h2", {}, "This is shown once"), command(made.key || made.token || made.secret || ""), el("footer", {}, el("button", { type: "button", "data-close": true }, "I have kept it"))));
    again();
  } catch (error) {
    told(error);
  }
}
