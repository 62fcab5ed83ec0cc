// An answer as pictures: the close ones at once, the others when asked for.

import { fill, hitOf, makeTabbable, setUpGrid, tiles } from "./grid.js";
import { number, t } from "../strings.js";

/** Relevance from which a picture counts as found: with everyday queries the right pictures
 *  reach 0.5 and more, the first wrong one 0.2 to 0.35. */
const CLOSE = 0.4;
const NEAREST = 12;

const part = (id) => document.getElementById(id);

export function setUpResults({ onOpen, onReveal, onMore, onLeave }) {
  const root = part("pictures");
  const visible = () => tiles(root).map(hitOf);
  setUpGrid(root, {
    onLeave,
    onOpen: (button) => onOpen(visible(), tiles(root).indexOf(button)),
  });
  part("reveal").addEventListener("click", onReveal);
  part("more").addEventListener("click", onMore);

  return {
    /** `ranked` false: pictures to look at, whose order means nothing. */
    show(answer, { ranked, revealed, hasMore }) {
      const { close, far, hidden } = parted(answer?.hits ?? [], { ranked, revealed });
      fill(part("close-hits"), close, { ranked });
      fill(part("far-hits"), far, { ranked });
      part("far").hidden = !far.length;
      part("far").classList.toggle("is-nearest", !close.length);
      const toggles = close.length > 0 && (hidden > 0 || far.length > 0);
      part("reveal").hidden = !toggles;
      part("reveal").textContent =
        hidden > 0
          ? t("show_less_relevant", { n: number(hidden) })
          : t("hide_less_relevant");
      part("reveal").setAttribute("aria-expanded", String(far.length > 0));
      part("more").hidden = !(hasMore && !hidden) && !(hidden && !toggles);
      makeTabbable(root);
    },
    showSummary(answer, { ranked }) {
      part("summary").textContent = answer && ranked ? summary(answer) : "";
    },
    setBusy(busy) {
      part("results").setAttribute("aria-busy", String(busy));
      document.body.classList.toggle("is-busy", busy);
    },
    focusFirst() {
      tiles(root)[0]?.focus();
      return tiles(root).length > 0;
    },
    focus(hit) {
      const same = tiles(root).find((button) => hitOf(button).id === hit.id);
      same?.focus();
    },
  };
}

export const isClose = (hit) => hit.relevance >= CLOSE;

function parted(hits, { ranked, revealed }) {
  if (!ranked) return { close: hits, far: [], hidden: 0 };
  const close = hits.filter(isClose);
  const others = hits.filter((hit) => !isClose(hit));
  const shown = revealed ? others.length : close.length ? 0 : NEAREST;
  return { close, far: others.slice(0, shown), hidden: Math.max(others.length - shown, 0) };
}

function summary({ query, hits, timings_ms: timings }) {
  const found = hits.filter(isClose).length;
  const count = found
    ? t("pictures", { n: found })
    : t("nearest", { n: Math.min(hits.length, NEAREST) });
  const seconds = number(timings.total / 1000, { maximumSignificantDigits: 1 });
  const words = [`${count} · ${t("seconds", { n: seconds })}`];
  if (query.repaired_from) {
    words.push(t("repaired", { from: query.repaired_from, to: query.normalized }));
  }
  return words.join(" · ");
}
