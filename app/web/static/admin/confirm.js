// A question before something that others will notice.

const dialog = document.getElementById("confirm");
const [no, yes] = dialog.querySelectorAll("button");

let settle = () => {};

no.addEventListener("click", () => dialog.close());
// It comes a frame after the closing: by then another question may stand there.
dialog.addEventListener("close", () => {
  if (!dialog.open) settle(dialog.returnValue === "yes");
});

/** @param {{title: string, sentences: string[], action: string}} question */
export function confirm({ title, sentences, action }) {
  settle(false);
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("#confirm-words").replaceChildren(...sentences.map(paragraph));
  yes.textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    settle = resolve;
  });
}

function paragraph(text) {
  const node = document.createElement("p");
  node.textContent = text;
  return node;
}
