// An answer as pictures: the close ones at once, the others when asked for.

import { number, t } from "../strings.js";
import { fill, hitOf, makeTabbable, setUpGrid, tiles } from "./grid.js";
import { isClose } from "./relevance.js";
import { setUpScrolling } from "./scrolling.js";

const NEAREST = 12;

const part = (id) => document.getElementById(id);

export function setUpResults({ onOpen, onJudge, onReveal, onMore, onLeave }) {
  const root = part("pictures");
  const scrolling = setUpScrolling(part("more"));
  const visible = () => tiles(root).map(hitOf);
  setUpGrid(root, {
    onLeave,
    onJudge,
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
      const continues = hasMore && !hidden;
      part("more").hidden = !continues && !(hidden && !toggles);
      if (!root.contains(document.activeElement)) makeTabbable(root);
      scrolling.watch(continues);
    },
    restart: scrolling.restart,
    showPageProblem(problem) {
      part("page-problem").hidden = !problem;
    },
    showSummary(answer, { ranked }) {
      part("summary").textContent = answer && ranked ? summary(answer) : "";
    },
    setBusy(busy) {
      part("results").setAttribute("aria-busy", String(busy));
      document.body.classList.toggle("is-busy", busy);
    },
    /** Where the pictures begin above what is seen. */
    scrollToTop() {
      if (root.getBoundingClientRect().top < 0) scrollTo(0, 0);
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

function parted(hits, { ranked, revealed }) {
  if (!ranked) return { close: hits, far: [], hidden: 0 };
  const close = hits.filter(isClose);
  const others = hits.filter((hit) => !isClose(hit));
  const shown = revealed ? others.length : close.length ? 0 : NEAREST;
  return { close, far: others.slice(0, shown), hidden: Math.max(others.length - shown, 0) };
}

function summary({ hits, timings_ms: timings }) {
  const found = hits.filter(isClose).length;
  const count = found
    ? t("pictures", { n: found })
    : t("nearest", { n: Math.min(hits.length, NEAREST) });
  const seconds = number(timings.total / 1000, { maximumSignificantDigits: 1 });
  return `${count} · ${t("seconds", { n: seconds })}`;
}
