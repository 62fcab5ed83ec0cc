// Rows of pictures of one height, in order of relevance. The rows are CSS alone: a tile's
// --ratio decides its width, so nothing moves when the pictures arrive.

import { showPicture } from "../pictures.js";
import { t } from "../strings.js";
import { percent } from "../units.js";
import { frameInCover } from "./frame.js";

const NARROWEST = 0.5;
const WIDEST = 2.6;

const hits = new WeakMap();

export const hitOf = (button) => hits.get(button);
export const nameOf = (hit) => hit.id.split("/").at(-1);

/** Tiles that already show the right picture stay, so that more of the same do not flicker. */
export function fill(list, wanted, { ranked }) {
  wanted.forEach((hit, position) => {
    const present = list.children[position];
    if (present && hitOf(present.querySelector(".picture")).thumbnail === hit.thumbnail) {
      describe(present, hit, ranked);
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
  item.style.setProperty("--ratio", shapeOf(hit));
  const image = item.querySelector("img");
  image.addEventListener("load", () => item.classList.add("is-loaded"));
  image.addEventListener("error", () => item.classList.add("is-broken"));
  image.width = hit.width;
  image.height = hit.height;
  showPicture(image, hit.thumbnail);
  describe(item, hit, ranked);
  return item;
}

function shapeOf(hit) {
  const ratio = hit.width / hit.height || 1;
  return Math.min(Math.max(ratio, NARROWEST), WIDEST);
}

function describe(item, hit, ranked) {
  hits.set(item.querySelector(".picture"), hit);
  item.querySelector(".name").textContent = nameOf(hit);
  const relevance = item.querySelector(".relevance");
  relevance.hidden = !ranked;
  relevance.textContent = percent(hit.relevance);
  relevance.setAttribute("aria-label", `${t("relevance")} ${percent(hit.relevance)}`);
  frameInCover(item.querySelector(".frame"), hit, shapeOf(hit));
  for (const button of item.querySelectorAll(".judge button")) {
    const words = t(`more_${button.dataset.by}`, { name: nameOf(hit) });
    button.setAttribute("aria-label", words);
    button.title = words;
  }
}

/** One tile is in the tab order; arrows go from tile to tile. `onJudge` is told of the hit and
 *  whether more like it is wanted ("similar") or none ("unlike").
 */
export function setUpGrid(root, { onOpen, onJudge, onLeave }) {
  root.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const picture = tile.querySelector(".picture");
    const judge = event.target.closest(".judge button");
    if (judge) onJudge(hitOf(picture), judge.dataset.by);
    else if (event.target.closest(".picture")) onOpen(picture);
  });
  root.addEventListener("focusin", (event) => {
    if (event.target.matches(".picture")) makeTabbable(root, event.target);
  });
  root.addEventListener("keydown", (event) => {
    if (!event.target.matches(".picture") || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (event.key in JUDGEMENTS) onJudge(hitOf(event.target), JUDGEMENTS[event.key]);
    if (!(event.key in MOVES)) return;
    event.preventDefault();
    const next = MOVES[event.key](tiles(root), event.target);
    if (next) next.focus();
    else if (event.key === "ArrowUp") onLeave();
  });
}

export function makeTabbable(root, chosen = tiles(root)[0]) {
  for (const picture of root.querySelectorAll(".picture")) {
    const inOrder = picture === chosen ? 0 : -1;
    for (const button of picture.parentElement.querySelectorAll("button")) button.tabIndex = inOrder;
  }
}

export const tiles = (root) =>
  [...root.querySelectorAll(".picture")].filter((button) => button.checkVisibility());

const JUDGEMENTS = { "+": "similar", "-": "unlike" };

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
