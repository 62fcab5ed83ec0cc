// Input methods: a syllable is typed in several strokes, and Enter may only end it.

/** Whether the key belongs to the input method. Safari tells of it only by its number. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** The Enter that ends a syllable submits nothing: Safari sends it after compositionend. */
export function submitOnlyWhenComposed(input) {
  input.addEventListener("keydown", (event) => {
    if (isComposing(event) && (event.key === "Enter" || event.code === "Enter")) {
      event.preventDefault();
    }
  });
}
