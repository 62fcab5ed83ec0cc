// The calls that searching takes.

import { ask, post } from "../http.js";

export const collections = (signal) => ask("/v1/collections", { signal });

/** @param {{text: string} | {image: {id: string}}} query */
export const search = (collection, query, k, signal) =>
  post(`/v1/collections/${encodeURIComponent(collection)}/search`, { ...query, k }, signal);

/** The record behind a hit: format, file size, attributes. */
export const record = (hit, signal) =>
  ask(hit.thumbnail.replace(/\/thumbnail$/, ""), { signal });

export const large = (hit) => `${hit.thumbnail}?size=1280`;

export function thumbnail(collection, id) {
  const path = id.split("/").map(encodeURIComponent).join("/");
  return `/v1/collections/${encodeURIComponent(collection)}/images/${path}/thumbnail`;
}
