// The larger view: a modal dialog over the pictures that are on the page.

import { key } from "../key.js";
import { forget, showPicture } from "../pictures.js";
import { number, t } from "../strings.js";
import { bytes, percent } from "../units.js";
import * as api from "./api.js";
import { frameInContain } from "./frame.js";
import { nameOf } from "./grid.js";
import { valueText } from "./values.js";

const MOST_ENLARGED = 2;
const SWIPE_PX = 50;
const WEB_ADDRESS = /^https?:\/\//i;

/** `onClose` gets the hit that was seen last, `onSimilar` the one whose like is wanted, `onJudge` one
 *  that is to be a part of the query, see setUpGrid.
 */
export function setUpViewer({ onClose, onSimilar, onJudge }) {
  const dialog = document.getElementById("viewer");
  const part = (selector) => dialog.querySelector(selector);
  const image = part("img");
  let hits = [];
  let position = 0;
  let ranked = true;
  let recordWanted = new AbortController();

  function show() {
    const hit = hits[position];
    recordWanted.abort();
    recordWanted = new AbortController();
    part(".frame").hidden = true; // until the picture is there that it belongs to
    enlarge(image, part(".broken"), hit);
    part(".name bdi").textContent = nameOf(hit);
    part(".position").textContent = t("position", { n: position + 1, total: hits.length });
    part(".previous").hidden = position === 0;
    part(".next").hidden = position === hits.length - 1;
    showOriginal(part("#original"), hit);
    showFacts(part("dl"), facts(hit, ranked));
    api.record(hit, recordWanted.signal).then(
      (record) => showFacts(part("dl"), [...facts(hit, ranked), ...recordFacts(record)]),
      () => {}, // The picture is there; a missing file size is not worth a word.
    );
  }

  function step(by) {
    const next = position + by;
    if (!(next in hits)) return;
    position = next;
    show();
    if (document.activeElement?.hidden || document.activeElement === document.body) {
      part(".shut").focus();
    }
  }

  part(".previous").addEventListener("click", () => step(-1));
  part(".next").addEventListener("click", () => step(1));
  part(".shut").addEventListener("click", () => dialog.close());
  part(".stage").addEventListener("click", (event) => {
    if (event.target === event.currentTarget) dialog.close();
  });
  part("#find-similar").addEventListener("click", () => {
    const hit = hits[position];
    dialog.close();
    onSimilar(hit);
  });
  for (const button of dialog.querySelectorAll(".judge button")) {
    button.addEventListener("click", () => {
      const hit = hits[position];
      dialog.close();
      onJudge(hit, button.dataset.by);
    });
  }
  const showFrame = () => frameInContain(part(".frame"), image, hits[position]?.region);
  image.addEventListener("load", showFrame);
  const resized = new ResizeObserver(showFrame);
  resized.observe(image);
  resized.observe(part(".stage")); // the picture moves where it keeps its size
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  dialog.addEventListener("close", () => {
    recordWanted.abort();
    forget(image);
    image.removeAttribute("src");
    onClose(hits[position]);
  });
  onSwipe(part(".stage"), step);

  return {
    open(all, first, options) {
      hits = all;
      position = first;
      ranked = options.ranked;
      show();
      dialog.showModal();
    },
    close: () => dialog.close(),
  };
}

function enlarge(image, broken, hit) {
  const scale = Math.min(MOST_ENLARGED, 1280 / Math.max(hit.width, hit.height));
  broken.hidden = true;
  image.hidden = false;
  image.onerror = () => {
    image.hidden = true;
    broken.hidden = false;
  };
  image.width = Math.round(hit.width * Math.max(scale, 1));
  image.height = Math.round(hit.height * Math.max(scale, 1));
  // The thumbnail, which is there already, stands in until the larger one has come: where no
  // key is needed, which a style sheet cannot send.
  image.style.backgroundImage = key() ? "" : `url("${hit.thumbnail}")`;
  showPicture(image, api.large(hit));
  image.alt = nameOf(hit);
}

function showOriginal(link, hit) {
  link.hidden = !WEB_ADDRESS.test(hit.uri);
  if (link.hidden) link.removeAttribute("href");
  else link.href = hit.uri;
}

function facts(hit, ranked) {
  const pixels = `${number(hit.width)} × ${number(hit.height)}`;
  const name = nameOf(hit) === hit.id ? [] : [[t("file"), hit.id]];
  if (!ranked) return [...name, [t("size"), pixels]];
  return [
    [t("relevance"), percent(hit.relevance), hit.relevance],
    [t("score"), number(hit.score, { minimumFractionDigits: 3, maximumFractionDigits: 3 })],
    ...name,
    [t("size"), pixels],
  ];
}

function recordFacts(record) {
  const attributes = Object.entries(record.attributes ?? {}).map(([name, value]) => [
    name,
    valueText(value),
  ]);
  return [[t("file_size"), `${bytes(record.file_size)} · ${record.format}`], ...attributes];
}

function showFacts(list, rows) {
  list.replaceChildren(
    ...rows.flatMap(([term, value, share]) => {
      const name = document.createElement("dt");
      const fact = document.createElement("dd");
      name.textContent = term;
      fact.textContent = value;
      if (share !== undefined) {
        fact.className = "meter";
        fact.style.setProperty("--relevance", share);
      }
      return [name, fact];
    }),
  );
}

function onSwipe(stage, step) {
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    from = event.pointerType === "touch" && event.isPrimary ? event.clientX : null;
  });
  stage.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const moved = event.clientX - from;
    from = null;
    if (Math.abs(moved) > SWIPE_PX) step(moved < 0 ? 1 : -1);
  });
}
