// The panel of filters: of each field the values that there are, with their counts, or a range.

import { language, t, translate } from "../strings.js";
import { chosenOf, ranged, rangeOf, toggled } from "./filters.js";
import { setUpRange } from "./ranges.js";
import { valueText } from "./values.js";

const FEW = 7;
const MANY = 12;
const RANGES = new Set(["number", "date"]);

export const isCounted = (kind) => !RANGES.has(kind);

/** `onFilter` is told of the filter as it should be. */
export function setUpFacets({ onFilter }) {
  const panel = document.getElementById("filters");
  const button = document.getElementById("refine");
  const groups = new Map();
  const unfolded = new Set();
  let shown = { fields: {}, filter: {}, facets: {} };

  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    panel.classList.toggle("is-open", open);
  });
  panel.addEventListener("submit", (event) => event.preventDefault());

  function show(state) {
    shown = state;
    const { fields } = state;
    const names = inOrder(fields);
    for (const [name, { root, kind }] of groups) {
      if (fields[name] === kind) continue;
      root.remove();
      groups.delete(name);
    }
    for (const name of names) {
      if (!groups.has(name)) groups.set(name, groupOf(name, fields[name]));
      groups.get(name).show();
    }
    const roots = names.map((name) => groups.get(name).root);
    if (roots.some((root, at) => root !== panel.children[at])) panel.replaceChildren(...roots);
    panel.hidden = button.hidden = !names.length;
  }

  function groupOf(name, kind) {
    const root = document.getElementById(isCounted(kind) ? "facet" : "range").content
      .firstElementChild.cloneNode(true);
    translate(root);
    root.querySelector("legend").textContent = name;
    return { root, kind, show: isCounted(kind) ? counted(root, name) : measured(root, name, kind) };
  }

  function measured(root, name, kind) {
    const range = setUpRange(root, kind, {
      onRange: (bounds) => onFilter(ranged(shown.filter, name, kind, bounds)),
    });
    return () => range.show(rangeOf(shown.filter, name, kind));
  }

  function counted(root, name) {
    const list = root.querySelector("ul");
    const more = root.querySelector("button");
    const showThis = () => {
      const values = valuesOf(shown.facets[name] ?? [], chosenOf(shown.filter, name));
      root.hidden = !tellsApart(values);
      const some = unfolded.has(name) ? values : values.filter(({ chosen }, at) => chosen || at < FEW);
      fill(list, some, (value) => onFilter(toggled(shown.filter, name, value)));
      more.hidden = values.length <= FEW;
      more.textContent = t(unfolded.has(name) ? "fewer_values" : "all_values", { n: values.length });
      more.setAttribute("aria-expanded", String(unfolded.has(name)));
    };
    more.addEventListener("click", () => {
      if (!unfolded.delete(name)) unfolded.add(name);
      showThis();
    });
    return showThis;
  }

  return { show };
}

/** Values to choose from before ranges, each by name. */
const inOrder = (fields) =>
  Object.keys(fields).sort(
    (one, other) => isCounted(fields[other]) - isCounted(fields[one]) || (one < other ? -1 : 1),
  );

/** What is chosen stays in sight, also where nothing has it any more. */
function valuesOf(counts, chosen) {
  const missing = chosen.filter((value) => counts.every((other) => other.value !== value));
  return [
    ...counts.map(({ value, count }) => ({ value, count, chosen: chosen.includes(value) })),
    ...missing.map((value) => ({ value, count: 0, chosen: true })),
  ];
}

/** Titles and numbers of articles do not: each picture has its own. */
const tellsApart = (values) =>
  values.length > 0 &&
  (values.length <= MANY || values.some(({ count, chosen }) => count > 1 || chosen));

function fill(list, values, onToggle) {
  const print = JSON.stringify([values, language()]);
  if (list.dataset.print === print) return;
  list.dataset.print = print;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.value : null;
  list.replaceChildren(...values.map((each) => itemOf(each, onToggle)));
  if (focused === null) return;
  [...list.querySelectorAll("input")].find(({ dataset }) => dataset.value === focused)?.focus();
}

function itemOf({ value, count, chosen }, onToggle) {
  const item = document.getElementById("facet-value").content.firstElementChild.cloneNode(true);
  const box = item.querySelector("input");
  box.checked = chosen;
  box.dataset.value = JSON.stringify(value);
  box.addEventListener("change", () => onToggle(value));
  item.querySelector("bdi").textContent = valueText(value);
  item.querySelector(".count").textContent = valueText(count);
  return item;
}
