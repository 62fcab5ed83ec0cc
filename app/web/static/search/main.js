// The page: what the address asks for is searched and shown.

import { setUpKey } from "../key.js";
import { Latest } from "../latest.js";
import { emptyNotice, showNotice } from "../notices.js";
import { setUpPreferences, showTheme } from "../preferences.js";
import { t, translate } from "../strings.js";
import * as address from "./address.js";
import * as api from "./api.js";
import { setUpCollections } from "./collections.js";
import { showExamples } from "./examples.js";
import { searchNotice } from "./notices.js";
import { isClose, setUpResults } from "./results.js";
import { setUpSearchBox } from "./searchbox.js";
import { showSimilar } from "./similar.js";
import { setUpViewer } from "./viewer.js";

const PAGE = 60;
const MOST = 1000;
const GLANCE = { text: "아름다운 풍경", k: 24 };
const KEPT = 30;

const searches = new Latest();
const kept = new Map();
// While `waiting` for an answer, answer and problem are those of the view before.
let view = {
  address: address.read(),
  k: PAGE,
  revealed: false,
  waiting: true,
  answer: null,
  problem: null,
};
let typing = false;
let focusAfter = false;

const box = setUpSearchBox({
  onType(text) {
    if (text === (view.address.q ?? "")) return;
    go({ q: text || null }, { replace: typing });
    typing = true;
  },
  onSubmit(text) {
    if (text === view.address.q) load();
    else go({ q: text }, { replace: typing });
    typing = false;
  },
  onDown: () => results.focusFirst(),
});

const results = setUpResults({
  onOpen: (hits, position) => viewer.open(hits, position, { ranked: isRanked() }),
  onLeave: () => box.focus(),
  onReveal() {
    if (!view.waiting) show({ revealed: !view.revealed });
  },
  onMore() {
    if (view.waiting) return;
    if (view.revealed || view.answer.hits.every(isClose)) load({ k: view.k + PAGE });
    else show({ revealed: true });
  },
});

const viewer = setUpViewer({
  onClose: (hit) => results.focus(hit),
  onSimilar(hit) {
    focusAfter = true;
    go({ similar: hit.id });
  },
});

const picker = setUpCollections({
  onChoose: (name) => go({ q: view.address.q, collection: name }),
});

setUpKey();
setUpPreferences({
  onLanguage() {
    address.dropLanguage();
    showWords();
    render();
  },
});

document.getElementById("similar").querySelector("button").addEventListener("click", () => {
  go({});
  box.focus();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("#home, .example");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go({ q: link.dataset.q ?? null });
});
addEventListener("popstate", () => {
  viewer.close();
  typing = false;
  box.show(address.read().q ?? "");
  const before = kept.get(location.search);
  if (before) {
    searches.stop();
    view = before;
    results.setBusy(false);
    render();
  } else {
    start();
  }
});

function go({ q = null, similar = null, collection }, { replace = false } = {}) {
  typing = false;
  const searched = picker.all() ? picker.toName() : view.address.collection;
  address.write({ q, similar, collection: collection ?? searched }, { replace });
  box.show(q ?? "");
  start({ fromTop: true });
}

function start({ fromTop = false } = {}) {
  const next = address.read();
  view = { ...view, address: next, k: PAGE, revealed: false, waiting: true };
  render();
  load({ fromTop });
}

function load({ k = view.k, fromTop = false } = {}) {
  results.setBusy(true);
  searches.run((signal) => find(view.address, k, signal), {
    answer(answer) {
      results.setBusy(false);
      show({ answer, problem: null, k, waiting: false });
      if (fromTop) scrollTo(0, 0);
      if (focusAfter) results.focusFirst();
      focusAfter = false;
    },
    problem(problem) {
      results.setBusy(false);
      show({ answer: null, problem, waiting: false });
    },
  });
}

/** The server's answer; null where there is nothing to search yet. */
async function find({ q, similar, collection }, k, signal) {
  await picker.load(collection, signal);
  if (!picker.hasPictures()) return null;
  if (q) return api.search(picker.name(), { text: q }, k, signal);
  if (similar) return api.search(picker.name(), { image: { id: similar } }, k, signal);
  return api.search(picker.name(), { text: GLANCE.text }, GLANCE.k, signal);
}

function show(change) {
  view = { ...view, ...change };
  kept.delete(location.search);
  if (view.answer) kept.set(location.search, view);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  render();
}

function isRanked() {
  return Boolean(view.address.q || view.address.similar);
}

/** The pictures and the notice of before stay until the answer comes. */
function render() {
  const { q, similar } = view.address;
  document.title = [q ?? (similar && t("similar_to", { name: similar })), t("name")]
    .filter(Boolean)
    .join(" – ");
  document.body.dataset.view = isRanked() ? "results" : "start";
  showSimilar(picker.name(), similar);
  if (view.waiting) return;
  const { answer, problem, revealed, k } = view;
  const hasMore = isRanked() && answer?.hits.length === k && k < MOST;
  results.show(answer, { ranked: isRanked(), revealed, hasMore });
  results.showSummary(answer, { ranked: isRanked() });
  showNotice(notice());
}

function notice() {
  const { answer, problem, address: asked } = view;
  const onRetry = () => load();
  if (problem) {
    return searchNotice(problem, {
      collection: picker.name(),
      collections: picker.all(),
      onRetry,
      onStart: () => go({}),
      onCollection: (name) => picker.choose(name),
    });
  }
  if (!answer) return picker.all() && emptyNotice(picker.name(), { onRetry });
  if (!isRanked() || answer.hits.some(isClose)) return null;
  if (!answer.hits.length) return { title: t("nothing"), hint: t("nothing_hint") };
  return {
    title: t(asked.similar ? "no_close_similar" : "no_close_match"),
    hint: t("no_close_match_hint"),
  };
}

function showWords() {
  translate();
  showTheme();
  showExamples();
}

showWords();
// What was typed while the page was loading stays.
if (view.address.q) box.show(view.address.q);
start();
// On a phone it would open the keyboard over the pictures; with results, arrows should scroll.
if (!isRanked() && matchMedia("(hover: hover)").matches) box.focus();
