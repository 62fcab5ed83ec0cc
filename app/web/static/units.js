// Amounts and moments as a reader of the page's language writes them.

import { language, number } from "./strings.js";

const BYTES = [
  ["terabyte", 1e12],
  ["gigabyte", 1e9],
  ["megabyte", 1e6],
  ["kilobyte", 1e3],
];
const SECONDS = [
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

export function bytes(count) {
  const [unit, size] = BYTES.find(([, least]) => count >= least) ?? BYTES.at(-1);
  return number(count / size, { style: "unit", unit, maximumSignificantDigits: 3 });
}

/** The two largest units of it: 1h 4m, 3m 12s, 7s. */
export function duration(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const counts = SECONDS.map(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest -= count * length;
    return { unit, count };
  });
  const from = counts.findIndex(({ count }) => count > 0);
  if (from < 0) return inUnit(counts.at(-1));
  const shown = counts.slice(from, from + 2).filter(({ count }) => count > 0);
  return shown.map(inUnit).join(" ");
}

const inUnit = ({ unit, count }) => number(count, { style: "unit", unit, unitDisplay: "narrow" });

export const percent = (share) => number(share, { style: "percent" });

/** @param {string} iso */
export const moment = (iso) =>
  new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(iso),
  );
