// Accounts that requests may use: whose, for what, and whether they work.
import { $, card, chip, command, el, empty, notice } from "./dom.js";
import { every } from "./net.js";

const body = $("#body");
const WAYS = [["Google: calendar and mail", "deputy connect google"], ["Slack", "deputy connect slack"], ["Mail by IMAP", "deputy connect imap"], ["Calendar by CalDAV", "deputy connect caldav"], ["A tool server (MCP)", "deputy connect mcp"]];
async function load() {
  try {
    const found = await every("/connections", "connections");
    body.replaceChildren(
      el(
        "div",
        { class: "page stack" },
        found.length
          ? el("ul", { class: "grid" }, found.map((one) => el(
              "li",
              { class: "card" },
              el("header", {}, el("h2", {}, one.connector), chip(one.state, { kind: one.state === "active" ? "ok" : "bad", icon: one.state === "active" ? "check" : "warn" })),
              el("p", {}, one.subject),
              el("p", { class: "row" }, one.families.map((/** @type {string} */ family) => chip(family, { icon: { mail: "mail", calendar: "calendar", chat: "chat", directory: "people" }[family] || "tool" }))),
              el("p", { class: "muted small" }, one.owner === one.subject ? "" : `of ${one.owner}. `, one.shared_with.includes("*") ? "Shared with everybody." : one.shared_with.length ? `Shared with ${one.shared_with.join(", ")}.` : "Used for its owner alone.", one.has_credentials && " Its secret is sealed."),
              one.error && el("p", { class: "bad small" }, one.error),
            )))
          : empty({ icon: "plug", title: "No account is connected", text: "Requests read and act through accounts. The local office is one for trying.", command: "deputy connect google" }),
        card("Connect another", el("ul", { class: "stack" }, WAYS.map(([name, line]) => el("li", { class: "row" }, el("span", {}, name), el("span", { class: "push" }, command(line)))))),
      ),
    );
  } catch (error) {
    body.replaceChildren(notice(/** @type {any} */ (error), load));
  }
}
load();
