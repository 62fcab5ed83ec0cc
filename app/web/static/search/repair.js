// What was searched for in place of what was typed, and the way to what was typed.

import { t } from "../strings.js";

/** `query`: of the answer; `href`: where the text is searched for as it was typed. */
export function showRepair(query, href) {
  const root = document.getElementById("repair");
  root.hidden = !query?.repaired_from;
  if (root.hidden) return;
  const link = root.querySelector("a");
  root.querySelector("span").textContent = t("repaired", { to: query.normalized });
  link.textContent = t("as_typed", { from: query.repaired_from });
  link.href = href;
}
