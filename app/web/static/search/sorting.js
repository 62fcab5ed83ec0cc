// The orders in which the pictures can be shown.

import { t } from "../strings.js";

const WORDS = { number: ["lowest_first", "highest_first"], date: ["oldest_first", "newest_first"] };

/** `onSort` is told of a field, with - before it from the greatest down; null: by relevance. */
export function setUpSorting({ onSort }) {
  const select = document.getElementById("sort");
  let print = "";
  /** The menu may be open: what is offered already stays. */
  const offer = (orders) => {
    if (print === JSON.stringify(orders)) return;
    print = JSON.stringify(orders);
    select.replaceChildren(...orders.map(({ value, text }) => new Option(text, value)));
  };
  select.addEventListener("change", () => onSort(select.value || null));

  return {
    show({ fields, sort }) {
      const orders = Object.entries(fields).sort().flatMap(([field, kind]) => ordersOf(field, kind));
      // An address may ask for what the menu does not offer.
      if (sort && orders.every(({ value }) => value !== sort)) orders.push({ value: sort, text: sort });
      orders.unshift({ value: "", text: t("by_relevance") });
      offer(orders);
      select.value = sort ?? "";
      select.parentElement.hidden = orders.length === 1;
    },
  };
}

function ordersOf(field, kind) {
  const [upwards, downwards] = WORDS[kind] ?? [];
  if (!upwards) return [];
  return [
    { value: field, text: t(upwards, { field }) },
    { value: `-${field}`, text: t(downwards, { field }) },
  ];
}
