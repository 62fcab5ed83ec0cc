// The text field. While an input method composes, its text is read and never written:
// writing would break the syllable that is being typed.

const PAUSE_MS = 300;
const LONE_JAMO = /[\u1100-\u11ff\u3131-\u318e]$/;

/**
 * `onType` is told of text that was left alone for a moment, `onSubmit` of text that was
 * sent, `onDown` of the arrow key that leaves the field.
 */
export function setUpSearchBox({ onType, onSubmit, onDown }) {
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

  input.addEventListener("compositionstart", () => (composing = true));
  input.addEventListener("compositionend", () => (composing = false));
  input.addEventListener("input", () => {
    settle();
    pause = setTimeout(() => {
      const unfinished = composing && LONE_JAMO.test(input.value);
      if (!unfinished) onType(value());
    }, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) {
      // This Enter ends a syllable. Safari sends it after compositionend, and would submit.
      if (event.key === "Enter" || event.code === "Enter") event.preventDefault();
    } else if (event.key === "ArrowDown" && onDown()) {
      event.preventDefault();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    settle();
    if (value()) onSubmit(value());
  });
  clear.addEventListener("click", () => {
    input.value = "";
    settle();
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
