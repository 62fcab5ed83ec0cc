// Attributes as a reader sees them.

import { number, t } from "../strings.js";

/** A year stays 2024, a price becomes 49,000. */
const GROUPING = { useGrouping: "min2", maximumFractionDigits: 6 };

export function valueText(value) {
  switch (typeof value) {
    case "boolean":
      return t(value ? "yes" : "no");
    case "number":
      return number(value, GROUPING);
    case "string":
      return value;
    default:
      return Array.isArray(value) ? value.map(valueText).join(", ") : JSON.stringify(value);
  }
}
