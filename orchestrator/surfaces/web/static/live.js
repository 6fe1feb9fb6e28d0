// News from the desk. One tab of the browser holds the stream and passes it on to the others, because HTTP/1.1 allows six connections.

/** @typedef {{seq: number, kind: string, item_id: string|null, root_id: string|null, at: string, body: Record<string, any>}} News */
import { boot } from "./dom.js";

const RETRY_MS = 3000;
const listeners = new Set();
const watchers = new Set();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("deputy.news") : null;
let state = "connecting";
let seen = boot.seq || 0; // what the page was made from: nothing between that and the stream is missed
let leads = false;

/** @param {(news: News) => void} hear called for each news @returns {() => void} stops it */
export function onNews(hear) {
  listeners.add(hear);
  return () => listeners.delete(hear);
}
/** @param {(state: string) => void} hear "live" | "connecting" | "off" | "out" (nobody is signed in any more) | "reload" (too much was missed: read everything again) */
export function onState(hear) {
  watchers.add(hear);
  hear(state);
}

/** @param {string} to */
function become(to) {
  if (to !== "reload") state = to;
  for (const hear of watchers) hear(to);
}
/** @param {any} told */
function take(told) {
  if (told.state) {
    become(told.state);
    if (told.seq > seen) {
      seen = told.seq;
      become("reload");
    }
  } else if (told.news) {
    if (told.news.seq && told.news.seq <= seen) return;
    if (told.news.seq) seen = told.news.seq;
    for (const hear of listeners) hear(told.news);
  } else if (told.ask && leads) channel?.postMessage({ state, seq: seen });
}
/** @param {any} told */
function pass(told) {
  take(told);
  channel?.postMessage(told);
}

/** Opens the stream for as long as this tab is there. */
function lead() {
  leads = true;
  const source = new EventSource(`/api/v1/events?after=${seen}`);
  source.onopen = () => {
    pass({ state: "live" });
  };
  source.onerror = () => {
    const isOver = source.readyState === EventSource.CLOSED; // a browser does not come back after an error status
    pass({ state: isOver ? "off" : "connecting" });
    if (isOver) setTimeout(comeBack, RETRY_MS); // later: a page that is left ends its stream with an error, too
  };
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.kind === "reset") pass({ state: "reload" });
    else if (news.kind !== "hello") pass({ news });
  };
  addEventListener("pagehide", () => source.close());
}

/** After an error status: the stream does not say which, another question does. */
async function comeBack() {
  const answer = await fetch("/api/v1/me", { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.status !== 401) return lead();
  pass({ state: "out" });
  setTimeout(comeBack, RETRY_MS);
}

/** Begins to follow; called once by the shell. */
export function follow() {
  if (channel) channel.onmessage = (event) => take(event.data);
  channel?.postMessage({ ask: true });
  if (channel && navigator.locks) navigator.locks.request("deputy.stream", () => new Promise(() => lead()));
  else lead();
}
