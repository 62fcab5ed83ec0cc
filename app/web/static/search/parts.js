// What is looked for beside the text, as chips: pictures to come near to, and what to keep away from.

import { showPicture } from "../pictures.js";
import { t } from "../strings.js";
import * as api from "./api.js";
import { setUpChips } from "./chips.js";
import { submitOnlyWhenComposed } from "./composition.js";
import { addressOf } from "./given.js";
import { nameOf } from "./grid.js";

/** `onChange` is told of what changes in the address. */
export function setUpParts({ onChange }) {
  const form = document.getElementById("without");
  const input = form.querySelector("input");
  const list = document.querySelector("#parts ul");
  const showChips = setUpChips(list, "part", { fill, onRemove: ({ change }) => onChange(change) });
  let without = [];

  submitOnlyWhenComposed(input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const words = input.value.trim();
    input.value = "";
    if (words && !without.includes(words)) onChange({ without: [...without, words] });
  });

  return {
    show(address, collection) {
      without = address.without;
      showChips([
        ...(address.picture ? [given(address.picture)] : []),
        ...["similar", "unlike", "without"].flatMap((list) => chipsOf(list, address, collection)),
      ]);
    },
  };
}

/** `source`: the picture as a data: URL; `change`: of the address, where the chip is taken away. */
const given = (picture) => ({
  name: t("your_picture"),
  source: addressOf(picture),
  change: { picture: null },
});

/** `image`: the URL of one of the collection's pictures. */
function chipsOf(list, address, collection) {
  return address[list].map((value) => {
    const isImage = list !== "without";
    const name = isImage ? nameOf({ id: value }) : value;
    const kind = t(`${list}_chip`);
    return {
      name,
      kind,
      label: `${kind} ${name}`,
      isAway: list !== "similar",
      image: isImage && collection && api.thumbnail(collection, value),
      change: { [list]: address[list].filter((other) => other !== value) },
    };
  });
}

function fill(chip, { kind, isAway, source, image }) {
  chip.classList.toggle("is-away", Boolean(isAway));
  chip.querySelector(".sign").textContent = isAway ? "−" : "+";
  chip.querySelector(".kind").textContent = kind ?? "";
  const picture = chip.querySelector("img");
  picture.hidden = !(source || image);
  picture.addEventListener("error", () => (picture.hidden = true));
  if (source) picture.src = source;
  else if (image) showPicture(picture, image);
}
