// Calls to the JSON interface: one way to ask, one kind of error, the page's CSRF token on every change.
import { boot } from "./dom.js";

/** What the server said is wrong, or that it could not be reached. */
export class Problem extends Error {
  /** @param {{error?: string, message?: string, fix?: string, status?: number}} told */
  constructor(told) {
    super(told.message || "this did not work");
    this.error = told.error || "internal";
    this.fix = told.fix || "";
    this.status = told.status || 0;
  }
}

/**
 * The answer of `/api/v1` + path. Throws Problem.
 * @param {string} path @param {{method?: string, body?: any, query?: Record<string, any>, signal?: AbortSignal}} [how]
 * @returns {Promise<any>}
 */
export async function api(path, how = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(how.query || {})) if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const method = how.method || (how.body === undefined ? "GET" : "POST");
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET" && boot.csrf) headers["X-CSRF-Token"] = boot.csrf;
  if (how.body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}${query.size ? `?${query}` : ""}`, {
      method,
      headers,
      body: how.body === undefined ? undefined : JSON.stringify(how.body),
      signal: how.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Problem({ error: "unreachable", message: "the desk does not answer", fix: "see whether `deputy serve` still runs; what you decided before is kept" });
  }
  const text = await answer.text();
  let told;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    told = { message: `the desk answered with ${answer.status}`, fix: "load the page again" };
  }
  if (!answer.ok) {
    const problem = new Problem({ ...(told || {}), status: answer.status });
    if (answer.status === 401) problem.fix = "load the page again to sign in";
    throw problem;
  }
  return told;
}

/** Runs `work` one at a time; asked again meanwhile, once more afterwards. However often it is asked, the desk is not flooded. @param {() => Promise<any>} work */
export function oneAtATime(work) {
  let busy = false;
  let again = false;
  return async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await work();
    } while (again);
    busy = false;
  };
}

/** All entries of a paged list, up to `most`. @param {string} path @param {string} name @param {Record<string, any>} query @param {number} most */
export async function every(path, name, query = {}, most = 2000) {
  const found = [];
  let cursor;
  do {
    const page = await api(path, { query: { ...query, cursor } });
    found.push(...page[name]);
    cursor = page.next;
  } while (cursor && found.length < most);
  return found;
}
