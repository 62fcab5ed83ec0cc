// The conditions that are asked, as chips.

import { setUpChips } from "./chips.js";
import { described } from "./filters.js";

/** `onFilter` is told of the filter as it should be. */
export function setUpActive({ onFilter }) {
  const root = document.getElementById("active");
  const badge = document.querySelector("#refine .badge");
  const showChips = setUpChips(root.querySelector("ul"), "condition", {
    onRemove: ({ without }) => onFilter(without),
  });
  root.querySelector(".clear").addEventListener("click", () => onFilter({}));

  return {
    show({ filter, fields }) {
      const conditions = described(filter, fields);
      showChips(conditions);
      root.hidden = badge.hidden = !conditions.length;
      badge.textContent = conditions.length;
    },
  };
}
