// The collections at a glance, and the facts of one.

import { number, t } from "../strings.js";
import { moment, percent } from "../units.js";
import * as address from "./address.js";
import { isUnfinished } from "./api.js";
import { showFigures } from "./figures.js";
import { progressOf, wordsOf } from "./jobs.js";
import { showRows } from "./rows.js";

export function showCollections(collections, jobs) {
  const working = new Map(jobs.filter(isUnfinished).map((job) => [job.collection, job]));
  showRows(document.getElementById("collections"), collections, {
    key: ({ name }) => name,
    template: "collection-card",
    update: (card, collection) => showCard(card, collection, working.get(collection.name)),
  });
}

function showCard(card, collection, job) {
  const open = card.querySelector(".open");
  open.href = address.of(collection.name);
  open.firstElementChild.textContent = collection.name;
  const find = card.querySelector(".find");
  find.href = address.searchOf(collection.name);
  find.textContent = t("search_it");
  find.setAttribute("aria-label", t("search_in", { name: collection.name }));
  showFigures(card.querySelector("dl"), [...counts(collection), ...serving(collection)]);
  showWork(card.querySelector(".working"), job);
}

function showWork(line, job) {
  line.hidden = !job;
  if (!job) return;
  line.querySelector(".words").textContent = wordsOf(job);
  line.querySelector(".bar").style.setProperty("--share", progressOf(job) ?? 0);
}

export function showFacts(collection) {
  document.querySelector("#detail-title bdi").textContent = collection.name;
  document.getElementById("search-it").href = address.searchOf(collection.name);
  showFigures(document.getElementById("facts"), [
    ...counts(collection),
    ...serving(collection),
    [t("dimensions"), number(collection.dim)],
    [t("regions"), t(`regions_${collection.regions}`)],
    [t("recall"), percent(collection.recall)],
    [t("made"), moment(collection.created_at)],
  ]);
}

function counts({ images, indexed }) {
  const waiting = Math.max(0, images - indexed);
  return [
    [t("images"), number(images), "count"],
    [t("indexed"), number(indexed), "count"],
    [t("waiting"), number(waiting), waiting ? "count is-waiting" : "count"],
  ];
}

const serving = ({ model, active_version: version }) => [
  [t("model"), model, "name"],
  [t("version"), version ?? t("none"), "name"],
];
