// What is asked, as chips that can be taken away one by one.

import { language, t } from "../strings.js";

/**
 * `fill(chip, what)` shows one, which has a `name`; `onRemove(what)` is told of one to take away.
 * Answers how to show others. The focus stays where it was among them.
 */
export function setUpChips(list, template, { fill, onRemove }) {
  let print = "";

  function chipOf(what) {
    const chip = document.getElementById(template).content.firstElementChild.cloneNode(true);
    const button = chip.querySelector("button");
    chip.querySelector(".name").textContent = what.name;
    button.setAttribute("aria-label", t("remove_part", { name: what.label ?? what.name }));
    button.addEventListener("click", () => onRemove(what));
    fill?.(chip, what);
    return chip;
  }

  return (chips) => {
    const now = JSON.stringify([chips, language()]);
    if (now === print) return;
    print = now;
    const buttons = () => [...list.querySelectorAll("button")];
    const at = buttons().indexOf(document.activeElement);
    list.replaceChildren(...chips.map(chipOf));
    if (at < 0) return;
    (buttons()[Math.min(at, chips.length - 1)] ?? document.getElementById("results")).focus();
  };
}
