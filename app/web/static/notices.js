// What the page says in place of pictures: why there are none, and what can be done.

import { t } from "./strings.js";

const WORDS = {
  unknown_collection: "unknown_collection",
  not_found: "image_gone",
  invalid_request: "invalid",
  invalid_input: "invalid",
  not_ready: "not_ready",
};

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

export function problemNotice(problem, { collection, collections, onRetry, onStart, onCollection }) {
  const kind = kindOf(problem);
  const retry = { label: t("retry"), run: onRetry };
  const start = { label: t("start_over"), run: onStart };
  if (kind === "unknown_collection") {
    const others = (collections ?? []).filter((other) => other.name !== collection);
    return {
      grave: true,
      title: t("unknown_collection", { name: collection }),
      hint: others.length ? t("other_collections") : t("empty_hint"),
      command: others.length ? null : indexCommand(collection),
      actions: others.map(({ name }) => ({ label: name, run: () => onCollection(name) })),
    };
  }
  return {
    grave: true,
    title: t(kind),
    hint: kind === "invalid" ? null : t(`${kind}_hint`),
    detail: kind === "image_gone" ? null : problem.detail,
    actions: kind === "image_gone" || kind === "invalid" ? [start] : [retry],
  };
}

export function emptyNotice(collection, { onRetry }) {
  return {
    title: t("empty"),
    hint: t("empty_hint"),
    command: indexCommand(collection ?? "photos"),
    actions: [{ label: t("retry"), run: onRetry }],
  };
}

const indexCommand = (collection) => `noongil index ./photos --collection ${collection}`;

function kindOf(problem) {
  if (problem.code in WORDS) return WORDS[problem.code];
  if (problem.status === 0) return "away";
  if (problem.status === 422) return "invalid";
  return problem.passes ? "not_ready" : "failed";
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
