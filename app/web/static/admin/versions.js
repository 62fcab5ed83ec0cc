// The versions that are kept, and the one that answers.

import { number, t } from "../strings.js";
import { bytes, moment } from "../units.js";
import { showRows } from "./rows.js";

/** `onActivate(version, active)` when another is wanted. */
export function showVersions(versions, { onActivate }) {
  const table = document.getElementById("versions");
  const active = versions.find((version) => version.active) ?? null;
  table.hidden = !versions.length;
  document.getElementById("no-versions").hidden = versions.length > 0;
  showRows(table.tBodies[0], versions, {
    key: ({ name }) => name,
    template: "version-row",
    update: (row, version) => showVersion(row, version, active, onActivate),
  });
}

function showVersion(row, version, active, onActivate) {
  row.classList.toggle("is-active", version.active);
  row.querySelector(".version bdi").textContent = version.name;
  const cells = {
    made: moment(version.created_at),
    images: number(version.images),
    size: bytes(version.size_bytes),
    index: version.index,
    model: version.model,
  };
  for (const [column, text] of Object.entries(cells)) {
    row.querySelector(`.${column} bdi`).textContent = text;
    row.querySelector(`.${column} .term`).textContent = t(column);
  }
  const badge = row.querySelector(".badge");
  badge.hidden = !version.active;
  badge.textContent = t("in_use");
  const button = row.querySelector("button");
  button.hidden = version.active;
  button.textContent = t(isOlder(version, active) ? "roll_back" : "switch_to");
  button.setAttribute("aria-label", `${button.textContent}: ${version.name}`);
  button.onclick = () => onActivate(version, active);
}

export const isOlder = (version, active) =>
  active !== null && Date.parse(version.created_at) <= Date.parse(active.created_at);
