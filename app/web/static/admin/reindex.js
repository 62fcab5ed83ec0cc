// The form that starts a reindex. A field left empty leaves the collection as it is.

/** `onReindex(wanted)` is waited for: until then the form is not sent again. */
export function setUpReindex({ onReindex }) {
  const form = document.getElementById("reindex");
  let isSending = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    try {
      if (await onReindex(wanted(new FormData(form)))) form.reset();
    } finally {
      isSending = false;
    }
  });

  return {
    /** While a job is at work its own card stands here. */
    show(collection, { models, isBusy }) {
      form.hidden = isBusy;
      form.elements.recall.placeholder = String(collection.recall);
      form.elements.model.placeholder = collection.model;
      const options = [...new Set(models)].map((model) => new Option(model, model));
      form.querySelector("datalist").replaceChildren(...options);
    },
    reset: () => form.reset(),
  };
}

function wanted(fields) {
  const given = [...fields]
    .map(([name, value]) => [name, value.trim()])
    .filter(([, value]) => value);
  const body = Object.fromEntries(given);
  if (body.recall) body.recall = Number(body.recall);
  return body;
}
