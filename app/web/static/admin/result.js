// What came of a job, and which pictures were left out.

import { number, t } from "../strings.js";

const COUNTED = ["embedded", "removed"];

/** “1,200 embedded · 3 removed · version …”; empty where nothing is told. */
export function cameOf({ kind, result }) {
  if (!result || kind === "activate") return "";
  const counts = COUNTED.filter((name) => result[name]).map((name) =>
    t(`count_${name}`, { n: number(result[name]) }),
  );
  const version = result.published ? `${t("version")} ${result.version}` : t("unchanged");
  return [...counts, version].join(" · ");
}

/** The first of them, as many as the job's record names. */
export function showRejects(details, result) {
  const count = Object.values(result?.rejected ?? {}).reduce((sum, n) => sum + n, 0);
  details.hidden = !count;
  if (!count) return;
  details.firstElementChild.textContent = t("count_rejected", { n: count, count: number(count) });
  const lines = (result.rejects ?? []).map(({ id, detail }) => `${id}: ${detail}`);
  const print = JSON.stringify(lines);
  if (details.dataset.print === print) return;
  details.dataset.print = print;
  details.lastElementChild.replaceChildren(...lines.map(line));
}

function line(text) {
  const node = document.createElement("li");
  node.textContent = text;
  return node;
}
