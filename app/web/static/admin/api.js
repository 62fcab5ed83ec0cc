// The calls that administration takes.

import { ask, post, request } from "../http.js";
import { eventsOf } from "./events.js";

const JOBS = "/v1/admin/jobs";
const OF_ONE = 30;
const OF_ALL = 200;
const admin = (collection) => `/v1/admin/collections/${encodeURIComponent(collection)}`;

export const collections = (signal) => ask("/v1/collections", { signal });

export const versions = (collection, signal) => ask(`${admin(collection)}/versions`, { signal });

/** Newest first; of all collections where none is named. */
export function jobs(collection, signal) {
  const asked = collection ? { collection, limit: OF_ONE } : { limit: OF_ALL };
  return ask(`${JOBS}?${new URLSearchParams(asked)}`, { signal });
}

/** @param {{source?, model?, index?, recall?}} wanted Answers {job_id}. */
export const reindex = (collection, wanted) => post(`${admin(collection)}/reindex`, wanted);

/** Answers {job_id} where a job does it, else it is done. */
export const activate = (collection, version) =>
  post(`${admin(collection)}/versions/${encodeURIComponent(version)}/activate`);

export const cancel = (job) => post(`${JOBS}/${encodeURIComponent(job)}/cancel`);

/** How the job stands, whenever that changes, as long as the connection holds. */
export async function* follow(job, signal) {
  const headers = { Accept: "text/event-stream" };
  const path = `${JOBS}/${encodeURIComponent(job)}/events`;
  const response = await request(path, { headers, cache: "no-store", signal });
  for await (const { event, data } of eventsOf(response.body)) {
    if (event === "job") yield JSON.parse(data);
  }
}

export const isUnfinished = (job) => job.state === "queued" || job.state === "running";
