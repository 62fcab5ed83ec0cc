// The page's words. The server puts both languages into the page, so switching asks nothing.

const all = JSON.parse(document.getElementById("strings").textContent);

export const language = () => document.documentElement.lang;

export const wordsOf = (lang) => all[lang];

export function t(key, values = {}) {
  const entry = all[language()][key];
  const pattern =
    typeof entry === "string" ? entry : (entry[plural(values.n)] ?? entry.other);
  return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The server's name for something as a word; itself where the page knows none. */
export const label = (group, name) => all[language()][`${group}_${name}`.replaceAll(" ", "_")] ?? name;

export const number = (value, options) =>
  new Intl.NumberFormat(language(), options).format(value);

/** Put the words of the present language wherever the page names a key. */
export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-t]")) {
    node.textContent = t(node.dataset.t);
  }
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
  for (const node of root.querySelectorAll("[data-t-placeholder]")) {
    node.placeholder = t(node.dataset.tPlaceholder);
  }
}

const plural = (n) => new Intl.PluralRules(language()).select(n);
