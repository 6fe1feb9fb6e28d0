// Accounts that requests may use: whose, for what, and whether they work.
import { $, card, chip, command, el, empty, notice } from "./dom.js";
import { every } from "./net.js";
import { renew } from "./renew.js";

const body = $("#body");
const WAYS = [["Google: calendar and mail", "deputy connect google"], ["Slack", "deputy connect slack"], ["Mail by IMAP", "deputy connect imap you@firm.example --imap imap.firm.example --smtp smtp.firm.example"], ["Calendar by CalDAV", "deputy connect caldav https://calendar.firm.example --user you@firm.example"], ["A tool server (MCP)", "deputy connect mcp tickets --url https://tickets.firm.example/mcp"]];
async function load() {
  try {
    const found = await every("/connections", "connections");
    renew(body, 
      el(
        "div",
        { class: "page stack" },
        found.length
          ? el("ul", { class: "grid" }, found.map((one) => el(
              "li",
              { class: "card", "data-key": one.connection_id },
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
    renew(body, notice(/** @type {any} */ (error), load));
  }
}
load();
