// The chip that says whose like is being shown.

import { showPicture } from "../pictures.js";
import * as api from "./api.js";
import { nameOf } from "./grid.js";

export function showSimilar(collection, id) {
  const chip = document.getElementById("similar");
  chip.hidden = !id;
  if (!id) return;
  chip.querySelector(".name").textContent = nameOf({ id });
  if (collection) showPicture(chip.querySelector("img"), api.thumbnail(collection, id));
}
