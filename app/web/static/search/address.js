// What is being looked at, as the page's URL: an address can be shared, and Back goes back to it.

const TEXTS = ["q", "picture", "sort", "collection", "lang"];
const LISTS = ["similar", "unlike", "without"];
const FLAGS = ["verbatim"];

/**
 * `q`: the text; `verbatim`: as it was typed, whatever it looks like. `picture`: the name of one that
 * the reader gave, see given.js. `similar`, `unlike`: ids of images to come near to and to keep away
 * from; `without`: words to keep away from. `filter`: as the API has it; `sort`: a field, with - before
 * it from the greatest down.
 */
export const NOTHING = {
  ...Object.fromEntries(TEXTS.map((name) => [name, null])),
  ...Object.fromEntries(LISTS.map((name) => [name, []])),
  ...Object.fromEntries(FLAGS.map((name) => [name, false])),
  filter: {},
};

export function read() {
  const asked = new URLSearchParams(location.search);
  return {
    ...Object.fromEntries(TEXTS.map((name) => [name, asked.get(name)?.trim() || null])),
    ...Object.fromEntries(LISTS.map((name) => [name, [...new Set(asked.getAll(name))]])),
    ...Object.fromEntries(FLAGS.map((name) => [name, asked.has(name)])),
    filter: parsed(asked.get("filter")),
  };
}

/** `replace`: the step is part of the one before it, and Back passes over both. */
export function write(address, { replace }) {
  const url = hrefOf(address);
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}

export function hrefOf(address) {
  const asked = new URLSearchParams();
  for (const name of TEXTS) if (address[name]) asked.set(name, address[name]);
  for (const name of LISTS) for (const value of address[name]) asked.append(name, value);
  for (const name of FLAGS) if (address[name]) asked.set(name, "1");
  if (Object.keys(address.filter).length) asked.set("filter", JSON.stringify(address.filter));
  return asked.size ? `?${asked}` : location.pathname;
}

/** What is no filter goes to the server as it is, which says what is wrong with it. */
function parsed(text) {
  if (!text) return {};
  try {
    const filter = JSON.parse(text);
    return typeof filter === "object" && filter ? filter : text;
  } catch {
    return text;
  }
}
