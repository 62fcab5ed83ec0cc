// The REST API, as far as the page needs it. Every failure is a Problem.

export class Problem extends Error {
  /** @param {{status: number, code: string, detail: string, retryAfter: number}} problem
   *  status 0: the server was not reached */
  constructor({ status, code, detail, retryAfter }) {
    super(detail);
    Object.assign(this, { status, code, detail, retryAfter });
  }

  /** Likely to go away by itself. */
  get passes() {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

export const collections = (signal) => ask("/v1/collections", { signal });

/** @param {{text: string} | {image: {id: string}}} query */
export function search(collection, query, k, signal) {
  return ask(`/v1/collections/${encodeURIComponent(collection)}/search`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...query, k }),
    signal,
  });
}

/** The record behind a hit: format, file size, attributes. */
export const record = (hit, signal) =>
  ask(hit.thumbnail.replace(/\/thumbnail$/, ""), { signal });

export const large = (hit) => `${hit.thumbnail}?size=1280`;

export function thumbnail(collection, id) {
  const path = id.split("/").map(encodeURIComponent).join("/");
  return `/v1/collections/${encodeURIComponent(collection)}/images/${path}/thumbnail`;
}

async function ask(path, options) {
  const response = await reach(path, options);
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  throw new Problem({
    status: response.status,
    code: body.code ?? "",
    detail: body.detail ?? response.statusText,
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  });
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, code: "away", detail: "", retryAfter: 0 });
  }
}
