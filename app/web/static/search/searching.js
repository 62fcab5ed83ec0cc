// The requests behind what is shown: the first page, those after it, the counts beside them.

import * as api from "./api.js";
import { isRanked, MOST, PAGE, requestOf } from "./query.js";
import { CLOSE } from "./relevance.js";

const MOST_FACETS = 10;

/** The answer, with the request that it is to. */
export async function firstPage(collection, address, signal) {
  const request = requestOf(address);
  if (isRanked(address) && address.sort) {
    // In another order than that of likeness, what is not alike must not come first.
    request.min_relevance = leastOf(await best(collection, request, signal));
  }
  return { ...(await api.search(collection, request, signal)), request };
}

async function best(collection, { sort, ...request }, signal) {
  return (await api.search(collection, { ...request, k: 1 }, signal)).hits;
}

/** Of what counts as found; where nothing does, of what comes near. */
function leastOf(hits) {
  const most = Math.max(0, ...hits.map(({ relevance }) => relevance));
  return most >= CLOSE ? CLOSE : most / 2;
}

/** The answer with its next page. Where the index was replaced meanwhile it is searched anew, and
 *  goes on with what is not shown yet. */
export async function extended(collection, answer, signal) {
  const page = await nextPage(collection, answer, signal);
  const shown = new Set(answer.hits.map(({ id }) => id));
  const fresh = page.hits.filter(({ id }) => !shown.has(id));
  return { ...answer, hits: [...answer.hits, ...fresh], next_cursor: page.next_cursor };
}

async function nextPage(collection, { request, hits, next_cursor: cursor }, signal) {
  try {
    return await api.search(collection, { ...request, k: PAGE, cursor }, signal);
  } catch (problem) {
    if (problem.code !== "cursor_expired") throw problem;
    const k = Math.min(hits.length + PAGE, MOST);
    return api.search(collection, { ...request, k }, signal);
  }
}

/** How many of the pictures that count as found have which value, by field. */
export async function counted(collection, address, { request, hits }, fields, signal) {
  const { sort, ...asked } = request;
  if (isRanked(address)) asked.min_relevance ??= leastOf(hits);
  const answers = await Promise.all(
    inChunks(fields).map((facets) => api.search(collection, { ...asked, k: 1, facets }, signal)),
  );
  return Object.assign({}, ...answers.map(({ facets }) => facets));
}

function inChunks(fields) {
  const chunks = [];
  for (let at = 0; at < fields.length; at += MOST_FACETS) {
    chunks.push(fields.slice(at, at + MOST_FACETS));
  }
  return chunks;
}
