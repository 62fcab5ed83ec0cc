// A list that is shown again keeps the elements it has, and with them the reader's focus.

/** `make(item)` an element, `update(element, item)` it, once for each key in the order given. */
export function showRows(list, items, { key, template, update }) {
  const present = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const wanted = items.map((item) => {
    const element = present.get(String(key(item))) ?? fresh(template, key(item));
    update(element, item);
    return element;
  });
  for (const element of present.values()) {
    if (!wanted.includes(element)) element.remove();
  }
  wanted.forEach((element, position) => {
    if (list.children[position] !== element) list.insertBefore(element, list.children[position]);
  });
}

function fresh(template, key) {
  const element = document.getElementById(template).content.firstElementChild.cloneNode(true);
  element.dataset.key = key;
  return element;
}
