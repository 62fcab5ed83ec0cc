// More like this, not like this: a hit becomes a part of the query.

/** What changes in the address; `by`: "similar" or "unlike". */
export function judged(address, by, { id }) {
  const others = (name) => address[name].filter((other) => other !== id);
  return { similar: others("similar"), unlike: others("unlike"), [by]: [...others(by), id] };
}
