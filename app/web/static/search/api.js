// The calls that searching takes.

import { ask, post } from "../http.js";

export const collections = (signal) => ask("/v1/collections", { signal });

/** @param {object} request SearchRequest, without what is empty */
export function search(collection, request, signal) {
  const { queries, filter, ...rest } = request;
  const body = { ...rest, ...(queries?.length && { queries }), ...(hasKeys(filter) && { filter }) };
  return post(`${of(collection)}/search`, body, signal);
}

/** What may be meant by what is typed, the likeliest first. */
export async function suggest(collection, prefix, limit, signal) {
  const asked = new URLSearchParams({ prefix, limit });
  const { suggestions } = await ask(`${of(collection)}/suggest?${asked}`, { signal });
  return suggestions.map(({ text }) => text);
}

/** The record behind a hit: format, file size, attributes. */
export const record = (hit, signal) =>
  ask(hit.thumbnail.replace(/\/thumbnail$/, ""), { signal });

export const large = (hit) => `${hit.thumbnail}?size=1280`;

export function thumbnail(collection, id) {
  const path = id.split("/").map(encodeURIComponent).join("/");
  return `${of(collection)}/images/${path}/thumbnail`;
}

const of = (collection) => `/v1/collections/${encodeURIComponent(collection)}`;

const hasKeys = (filter) => Boolean(filter && Object.keys(filter).length);
