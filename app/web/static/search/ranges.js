// From and to, of numbers or of days.

import { submitOnlyWhenComposed } from "./composition.js";

/** `onRange` is told of {from, to} once a field is left or Enter is pressed. */
export function setUpRange(root, kind, { onRange }) {
  const inputs = [...root.querySelectorAll("input")];
  const [from, to] = inputs;
  const wrong = root.querySelector(".wrong");
  for (const input of inputs) {
    if (kind === "date") input.type = "date";
    else Object.assign(input, { type: "number", step: "any", inputMode: "decimal" });
    submitOnlyWhenComposed(input);
  }
  root.addEventListener("change", () => {
    const bounds = { from: bound(from, kind), to: bound(to, kind) };
    const isEmpty = bounds.from > bounds.to;
    wrong.hidden = !isEmpty;
    for (const input of inputs) input.setAttribute("aria-invalid", String(isEmpty));
    if (!isEmpty) onRange(bounds);
  });
  return {
    /** What is being typed stays. */
    show(bounds) {
      if (inputs.includes(document.activeElement)) return;
      from.value = bounds.from ?? "";
      to.value = bounds.to ?? "";
    },
  };
}

function bound(input, kind) {
  if (!input.value) return undefined;
  return kind === "date" ? input.value : input.valueAsNumber;
}
