// Filters as the API has them, read and changed: {"category": ["shoes"], "price": {"gte": 10}}.
// What an address asks beyond that (any, all, not, other operators) is kept, shown and taken away
// whole.

import { t } from "../strings.js";
import { valueText } from "./values.js";

const DAY_MS = 86_400_000;
/** Not fields: they hold filters. */
const WORDS = new Set(["any", "all", "not"]);

/** The values that are asked of a field, any of which it may have. */
export function chosenOf(filter, field) {
  const asked = conditionsOf(filter)[field];
  if (asked === undefined || WORDS.has(field)) return [];
  if (Array.isArray(asked)) return asked;
  return typeof asked === "object" ? [] : [asked];
}

export function toggled(filter, field, value) {
  const before = chosenOf(filter, field);
  const others = before.filter((other) => other !== value);
  return changed(filter, field, others.length < before.length ? others : [...before, value]);
}

/** @returns {{from: any, to: any}} undefined where it is open */
export function rangeOf(filter, field, kind) {
  const { gte, lte, lt } = conditionsOf(filter)[field] ?? {};
  return { from: gte, to: kind === "date" && isDay(lt) ? shifted(lt, -1) : lte };
}

/** A day is in the range to its last moment: earlier than the next one. */
export function ranged(filter, field, kind, { from, to }) {
  const end = kind === "date" && to !== undefined ? { lt: shifted(to, 1) } : { lte: to };
  const range = { gte: from, ...end };
  const known = Object.entries(range).filter(([, bound]) => bound !== undefined);
  return changed(filter, field, Object.fromEntries(known));
}

/** What is asked, one by one: in words, and the filter without it. */
export function described(filter, fields) {
  if (typeof filter !== "object") return [{ name: filter, without: {} }];
  return Object.entries(filter).flatMap(([field, asked]) => {
    const values = chosenOf(filter, field);
    if (values.length) {
      return values.map((value) => ({
        name: `${field}: ${valueText(value)}`,
        without: toggled(filter, field, value),
      }));
    }
    const words = rangeText(rangeOf(filter, field, fields[field]), asked);
    return [{ name: `${field}: ${words}`, without: changed(filter, field, []) }];
  });
}

function rangeText({ from, to }, asked) {
  const isRange = Object.keys(asked).length === [from, to].filter((end) => end !== undefined).length;
  if (!isRange || Array.isArray(asked)) return JSON.stringify(asked);
  if (to === undefined) return t("at_least", { from: valueText(from) });
  if (from === undefined) return t("at_most", { to: valueText(to) });
  return t("from_to", { from: valueText(from), to: valueText(to) });
}

function changed(filter, field, asked) {
  const { [field]: _, ...others } = conditionsOf(filter);
  return Object.keys(asked).length ? { ...others, [field]: asked } : others;
}

const conditionsOf = (filter) => (typeof filter === "object" ? filter : {});

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text);

const shifted = (day, by) => new Date(Date.parse(day) + by * DAY_MS).toISOString().slice(0, 10);
