// The ways in which a reader gives a picture: the button, the clipboard, dropping it on the page.

/** `onPicture` is told of the file. */
export function setUpPicture({ onPicture }) {
  const input = document.getElementById("file");
  document.getElementById("picture").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // so that the same file can be chosen again
    if (file) onPicture(file);
  });
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData);
    // Word processors copy words as a picture too.
    if (!file || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    onPicture(file);
  });
  setUpDropping(onPicture);
}

const pictureIn = (data) => [...data.files].find(({ type }) => type.startsWith("image/"));

function setUpDropping(onPicture) {
  const veil = document.getElementById("drop");
  let isOwn = false;
  const show = (shown) => (veil.hidden = !shown);
  const takes = (event) => !isOwn && event.dataTransfer.types.includes("Files");

  // The page's own pictures are dragged too, to somewhere else.
  document.addEventListener("dragstart", () => (isOwn = true));
  document.addEventListener("dragend", () => (isOwn = false));
  document.addEventListener("dragenter", (event) => takes(event) && show(true));
  document.addEventListener("dragover", (event) => takes(event) && event.preventDefault());
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? show(false));
  document.addEventListener("drop", (event) => {
    show(false);
    if (!takes(event)) return;
    event.preventDefault(); // the browser would leave the page to show the file
    const file = pictureIn(event.dataTransfer);
    if (file) onPicture(file);
  });
}
