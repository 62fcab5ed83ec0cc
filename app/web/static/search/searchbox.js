// The text field. While an input method composes, its text is read and never written:
// writing would break the syllable that is being typed.

import { isComposing, submitOnlyWhenComposed } from "./composition.js";
import { setUpSuggestions } from "./suggestions.js";

const PAUSE_MS = 300;
const LONE_JAMO = /[\u1100-\u11ff\u3131-\u318e]$/;

/**
 * `onType` is told of text that was left alone for a moment, `onSubmit` of text that was sent,
 * `onDown` of the arrow key that leaves the field; `suggest(text, signal)` completes it.
 */
export function setUpSearchBox({ onType, onSubmit, onDown, suggest }) {
  const form = document.getElementById("form");
  const input = document.getElementById("text");
  const clear = document.getElementById("clear");
  let composing = false;
  let pause = 0;

  const value = () => input.value.trim();
  const settle = () => {
    clearTimeout(pause);
    clear.hidden = !input.value;
  };
  const submit = () => {
    settle();
    suggestions.close();
    if (value()) onSubmit(value());
  };
  const suggestions = setUpSuggestions(input, {
    suggest,
    onChoose(text) {
      if (composing) {
        // The input method would add its syllable to the text.
        input.blur();
        input.focus();
      }
      input.value = text;
      submit();
    },
  });

  input.addEventListener("compositionstart", () => (composing = true));
  input.addEventListener("compositionend", () => (composing = false));
  input.addEventListener("input", () => {
    settle();
    suggestions.want(value());
    pause = setTimeout(() => {
      const unfinished = composing && LONE_JAMO.test(input.value);
      if (!unfinished) onType(value());
    }, PAUSE_MS);
  });
  submitOnlyWhenComposed(input);
  input.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (suggestions.takes(event) || (event.key === "ArrowDown" && onDown())) event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  clear.addEventListener("click", () => {
    input.value = "";
    settle();
    suggestions.close();
    input.focus();
    onType("");
  });
  document.addEventListener("keydown", (event) => {
    const elsewhere = !event.target.closest("input, select, textarea, dialog");
    if (event.key === "/" && elsewhere && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });

  return {
    show(text) {
      if (composing || input.value.trim() === text) return;
      input.value = text;
      settle();
    },
    focus: () => input.focus(),
  };
}
