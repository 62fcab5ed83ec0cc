// A job in words.

import { label, number, t } from "../strings.js";
import { percent } from "../units.js";

export const kindOf = (job) => label("kind", job.kind);
export const stateOf = (job) => label("state", job.state);
export const stageOf = (job) =>
  job.state === "running" && job.stage ? label("stage", job.stage) : stateOf(job);

/** 0 to 1; null where the end is not known. */
export function progressOf({ state, done, total }) {
  return state === "running" && total ? Math.min(done / total, 1) : null;
}

/** “Reindexing · Embedding · 34 %”. */
export function wordsOf(job) {
  const share = progressOf(job);
  return [kindOf(job), stageOf(job), share === null ? null : percent(share)]
    .filter(Boolean)
    .join(" · ");
}

/** “1,200 of 3,400”, as far as it is known; empty before the first. */
export function amountOf({ done, total }) {
  if (total) return t("of_total", { n: number(done), total: number(total) });
  return done ? number(done) : "";
}
