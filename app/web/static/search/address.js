// What is being looked at, as the page's URL: {q, similar, collection}, each a string or null.

export function read() {
  const asked = new URLSearchParams(location.search);
  return {
    q: asked.get("q")?.trim() || null,
    similar: asked.get("similar"),
    collection: asked.get("collection"),
  };
}

/** `replace`: the step is part of the one before it, and Back passes over both. */
export function write(address, { replace }) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(address)) {
    if (value) asked.set(name, value);
  }
  const url = asked.size ? `?${asked}` : location.pathname;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}

/** A `lang` in the URL would overrule the choice that was just made. */
export function dropLanguage() {
  write(read(), { replace: true });
}
