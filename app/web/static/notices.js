// What the page says in place of its content: why there is none, and what can be done.

import { askForKey } from "./key.js";
import { t } from "./strings.js";

/** @param {{title, hint?, command?, detail?, actions?: {label, run}[]} | null} notice */
export function showNotice(notice) {
  const root = document.getElementById("notice");
  root.hidden = !notice;
  const print = JSON.stringify(notice);
  // A retry that fails like the one before must not take the focus from its button.
  if (!notice || root.dataset.print === print) return;
  root.dataset.print = print;
  root.setAttribute("role", notice.grave ? "alert" : "status");
  root.querySelector("h2").textContent = notice.title;
  setText(root.querySelector(".hint"), notice.hint);
  setText(root.querySelector(".detail"), notice.detail);
  root.querySelector("code").textContent = notice.command ?? "";
  root.querySelector("pre").hidden = !notice.command;
  root.querySelector(".actions").replaceChildren(...(notice.actions ?? []).map(button));
}

/** For what may befall any request. */
export function problemNotice(problem, { onRetry }) {
  const kind = kindOf(problem);
  return {
    grave: true,
    title: t(kind),
    hint: t(`${kind}_hint`),
    detail: problem.detail,
    actions: [problem.status === 401 || problem.status === 403 ? keyAction(onRetry) : retry(onRetry)],
  };
}

export function emptyNotice(collection, { onRetry }) {
  return {
    title: t("empty"),
    hint: t("empty_hint"),
    command: indexCommand(collection ?? "photos"),
    actions: [retry(onRetry)],
  };
}

export const indexCommand = (collection) => `noongil index ./photos --collection ${collection}`;

const retry = (run) => ({ label: t("retry"), run });

function keyAction(onRetry) {
  const run = async () => (await askForKey()) && onRetry();
  return { label: t("enter_key"), run };
}

function kindOf({ status, passes }) {
  if (status === 0) return "away";
  if (status === 401) return "key_needed";
  if (status === 403) return "not_allowed";
  return passes ? "not_ready" : "failed";
}

function setText(node, text) {
  node.textContent = text ?? "";
  node.hidden = !text;
}

function button({ label, run }) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = "wide";
  node.textContent = label;
  node.addEventListener("click", run);
  return node;
}
