// Rows of pictures of one height, in order of relevance. The rows are CSS alone: a tile's
// --ratio decides its width, so nothing moves when the pictures arrive.

import { showPicture } from "../pictures.js";
import { t } from "../strings.js";
import { percent } from "../units.js";

const NARROWEST = 0.5;
const WIDEST = 2.6;

const hits = new WeakMap();

export const hitOf = (button) => hits.get(button);
export const nameOf = (hit) => hit.id.split("/").at(-1);

/** Tiles that already show the right picture stay, so that more of the same do not flicker. */
export function fill(list, wanted, { ranked }) {
  wanted.forEach((hit, position) => {
    const present = list.children[position];
    const button = present?.querySelector("button");
    if (button && hitOf(button).thumbnail === hit.thumbnail) {
      describe(button, hit, ranked);
      return;
    }
    const fresh = tile(hit, ranked);
    if (present) present.replaceWith(fresh);
    else list.append(fresh);
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
}

function tile(hit, ranked) {
  const item = document.getElementById("tile").content.firstElementChild.cloneNode(true);
  const ratio = hit.width / hit.height || 1;
  item.style.setProperty("--ratio", Math.min(Math.max(ratio, NARROWEST), WIDEST));
  const image = item.querySelector("img");
  image.addEventListener("load", () => item.classList.add("is-loaded"));
  image.addEventListener("error", () => item.classList.add("is-broken"));
  image.width = hit.width;
  image.height = hit.height;
  showPicture(image, hit.thumbnail);
  describe(item.querySelector("button"), hit, ranked);
  return item;
}

function describe(button, hit, ranked) {
  hits.set(button, hit);
  button.querySelector(".name").textContent = nameOf(hit);
  const relevance = button.querySelector(".relevance");
  relevance.hidden = !ranked;
  relevance.textContent = percent(hit.relevance);
  relevance.setAttribute("aria-label", `${t("relevance")} ${percent(hit.relevance)}`);
}

/** One tile is in the tab order; arrows go from tile to tile. */
export function setUpGrid(root, { onOpen, onLeave }) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest(".tile button");
    if (button) onOpen(button);
  });
  root.addEventListener("focusin", (event) => {
    if (event.target.matches(".tile button")) makeTabbable(root, event.target);
  });
  root.addEventListener("keydown", (event) => {
    if (!event.target.matches(".tile button") || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (!(event.key in MOVES)) return;
    event.preventDefault();
    const next = MOVES[event.key](tiles(root), event.target);
    if (next) next.focus();
    else if (event.key === "ArrowUp") onLeave();
  });
}

export function makeTabbable(root, chosen = tiles(root)[0]) {
  for (const button of tiles(root)) button.tabIndex = button === chosen ? 0 : -1;
}

export const tiles = (root) =>
  [...root.querySelectorAll(".tile button")].filter((button) => button.checkVisibility());

const MOVES = {
  ArrowRight: (all, from) => all[all.indexOf(from) + 1],
  ArrowLeft: (all, from) => all[all.indexOf(from) - 1],
  ArrowDown: (all, from) => nearest(all.slice(all.indexOf(from) + 1), from),
  ArrowUp: (all, from) => nearest(all.slice(0, all.indexOf(from)).reverse(), from),
  Home: (all) => all[0],
  End: (all) => all.at(-1),
};

/** In the next row of `candidates`, which come nearest row first, the one most in line. */
function nearest(candidates, from) {
  const { top, left, width } = from.getBoundingClientRect();
  const middle = left + width / 2;
  const boxes = candidates
    .map((button) => ({ button, box: button.getBoundingClientRect() }))
    .filter(({ box }) => Math.abs(box.top - top) > 1);
  const row = boxes.filter(({ box }) => Math.abs(box.top - boxes[0].box.top) <= 1);
  const distance = ({ box }) => Math.abs(box.left + box.width / 2 - middle);
  return row.sort((a, b) => distance(a) - distance(b))[0]?.button;
}
