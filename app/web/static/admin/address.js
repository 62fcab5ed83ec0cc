// Which collection is looked at, as the page's URL.

export const read = () => new URLSearchParams(location.search).get("collection");

/** null: the list of all. */
export const of = (collection) =>
  collection ? `/admin?${new URLSearchParams({ collection })}` : "/admin";

export const searchOf = (collection) => `/?${new URLSearchParams({ collection })}`;

/** A link of this page that is followed without loading it anew. */
export function onFollow(go) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.origin !== location.origin || link.pathname !== "/admin" || link.hash) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    go();
  });
  addEventListener("popstate", go);
}

/** A `lang` in the URL would overrule the choice that was just made. */
export function dropLanguage() {
  history.replaceState(null, "", of(read()));
}
