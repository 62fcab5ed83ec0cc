// The REST API: every request carries the key, where there is one, and every failure is a Problem.

import { askForKey, key } from "./key.js";

export class Problem extends Error {
  /** @param {{status: number, code: string, detail: string, retryAfter: number, body?: object}}
   *  problem status 0: the server was not reached */
  constructor({ status, code, detail, retryAfter, body = {} }) {
    super(detail);
    Object.assign(this, { status, code, detail, retryAfter, body });
  }

  /** Likely to go away by itself. */
  get passes() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** What the server answers, as JSON; null where it answers nothing. */
export async function ask(path, options) {
  const response = await request(path, options);
  const text = await response.text().catch(away);
  return text ? JSON.parse(text) : null;
}

export const post = (path, body, signal) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

/** The reader is asked for a key where the server wants one, or wants another. */
export async function request(path, options = {}) {
  for (;;) {
    const used = key();
    const response = await fetchWith(used, path, options).catch(away);
    noteClock(response);
    if (response.ok) return response;
    const isLate = key() !== used; // another request has asked for the key meanwhile
    if (response.status === 401 && (isLate || (await askForKey({ refused: Boolean(used) })))) {
      continue;
    }
    throw await problemOf(response);
  }
}

export function fetchWith(used, path, options = {}) {
  const authorization = used ? { Authorization: `Bearer ${used}` } : {};
  return fetch(path, { ...options, headers: { ...options.headers, ...authorization } });
}

let ahead = 0;

/** The server's time in milliseconds: a reader's clock may be wrong by hours. */
export const serverNow = () => Date.now() + ahead;

function noteClock(response) {
  const said = Date.parse(response.headers.get("Date"));
  if (!Number.isNaN(said)) ahead = said - Date.now();
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem({
    status: response.status,
    code: body.code ?? "",
    detail: body.detail ?? response.statusText,
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
    body,
  });
}

function away(error) {
  if (error.name === "AbortError") throw error;
  throw new Problem({ status: 0, code: "away", detail: "", retryAfter: 0 });
}
