// Filters and order: the panel, the chips and the menu.

import { setUpActive } from "./active.js";
import { isCounted, setUpFacets } from "./facets.js";
import { setUpSorting } from "./sorting.js";

/** `onChange` is told of what changes in the address. */
export function setUpRefining({ onChange }) {
  const onFilter = (filter) => onChange({ filter });
  const views = [
    setUpFacets({ onFilter }),
    setUpActive({ onFilter }),
    setUpSorting({ onSort: (sort) => onChange({ sort }) }),
  ];
  return {
    /** @param {{fields, filter, sort, facets}} state */
    show: (state) => views.forEach((each) => each.show(state)),
    /** The fields whose values are counted. */
    counted: (fields) => Object.keys(fields).filter((name) => isCounted(fields[name])).sort(),
  };
}
