// Jobs that have ended, newest first.

import { t } from "../strings.js";
import { duration, moment } from "../units.js";
import { isUnfinished } from "./api.js";
import { kindOf, stateOf } from "./jobs.js";
import { cameOf, showRejects } from "./result.js";
import { showRows } from "./rows.js";

const ASKED = { source: "source", model: "model", regions: "regions", index: "index_family", recall: "recall", version: "version" };

export function showHistory(jobs) {
  const ended = jobs.filter((job) => !isUnfinished(job));
  document.getElementById("no-history").hidden = ended.length > 0;
  showRows(document.getElementById("history"), ended, {
    key: ({ id }) => id,
    template: "history-row",
    update: showJob,
  });
}

function showJob(row, job) {
  const part = (name) => row.querySelector(`.${name}`);
  row.dataset.state = job.state;
  part("kind").textContent = kindOf(job);
  part("state").textContent = stateOf(job);
  part("when").textContent = [moment(job.finished_at ?? job.created_at), took(job), attempts(job)]
    .filter(Boolean)
    .join(" · ");
  setText(part("asked"), asked(job));
  setText(part("came"), cameOf(job));
  showRejects(part("rejects"), job.result);
  setText(part("error"), job.error);
  part("error").setAttribute("aria-label", t("error"));
}

function took({ started_at: started, finished_at: finished }) {
  return started && finished ? duration((Date.parse(finished) - Date.parse(started)) / 1000) : null;
}

const attempts = (job) => (job.attempts > 1 ? t("attempts", { n: job.attempts }) : null);

const asked = ({ request }) =>
  Object.entries(ASKED)
    .filter(([name]) => request?.[name] != null)
    .map(([name, word]) => `${t(word)}: ${request[name]}`)
    .join(" · ");

function setText(node, text) {
  node.textContent = text ?? "";
  node.hidden = !text;
}
