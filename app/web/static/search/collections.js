// Which collection is searched: the URL's, else the last one chosen, else the first with pictures.

import { Problem } from "../http.js";
import { recall, remember } from "../preferences.js";
import * as api from "./api.js";

export function setUpCollections({ onChoose }) {
  const select = document.getElementById("collection");
  let all = null;
  let name = null;

  const current = () => all?.find((collection) => collection.name === name);
  const choose = (chosen) => {
    name = chosen;
    remember("collection", chosen);
    onChoose(chosen);
  };
  select.addEventListener("change", () => choose(select.value));

  return {
    choose,
    all: () => all,
    name: () => name,
    /** For the URL: null where there is nothing to choose from. */
    toName: () => (all?.length > 1 ? name : null),
    /** What was written is searched at once, whether an index holds it or not. */
    hasPictures: () => current()?.images > 0,
    /** Kinds by name of the attributes; none while the server has yet to open the collection. */
    fields: () => current()?.fields ?? {},

    /** Raises Problem, also where `asked` does not exist. */
    async load(asked, signal) {
      // What is known may be out of date only where it would keep the reader from searching.
      const isKnown = this.hasPictures() && current().fields;
      if (!isKnown || (asked && asked !== name)) all = await api.collections(signal);
      name = asked ?? name ?? recalled(all) ?? firstOf(all);
      showIn(select, all, name);
      if (asked && !current()) {
        throw new Problem({ status: 404, code: "unknown_collection", detail: "" });
      }
    },
  };
}

function recalled(all) {
  const last = recall("collection");
  return all.some((collection) => collection.name === last) ? last : null;
}

const firstOf = (all) => (all.find((collection) => collection.images) ?? all[0])?.name ?? null;

function showIn(select, all, name) {
  const options = all.map((collection) => new Option(collection.name, collection.name));
  select.replaceChildren(...options);
  select.hidden = all.length < 2;
  select.value = name;
}
