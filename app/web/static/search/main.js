// The page: what the address asks for is searched and shown.

import { setUpKey } from "../key.js";
import { Latest } from "../latest.js";
import { emptyNotice, showNotice } from "../notices.js";
import { setUpPreferences, showTheme } from "../preferences.js";
import { language, t, translate } from "../strings.js";
import * as address from "./address.js";
import * as api from "./api.js";
import { setUpCollections } from "./collections.js";
import { showExamples } from "./examples.js";
import { keep } from "./given.js";
import { judged } from "./judging.js";
import { searchNotice } from "./notices.js";
import { setUpParts } from "./parts.js";
import { setUpPicture } from "./picture.js";
import { isAsked, isRanked } from "./query.js";
import { setUpRefining } from "./refining.js";
import { isClose } from "./relevance.js";
import { showRepair } from "./repair.js";
import { setUpResults } from "./results.js";
import { setUpSearchBox } from "./searchbox.js";
import { counted, extended, firstPage } from "./searching.js";
import { setUpViewer } from "./viewer.js";

const SUGGESTIONS = 8;
const KEPT = 30;

const searches = new Latest();
const counts = new Latest();
const kept = new Map();
// While `waiting` for an answer, answer and problem are those of the view before.
let view = {
  address: address.read(),
  revealed: false,
  waiting: true,
  answer: null,
  facets: {},
  problem: null,
  pageProblem: null,
};
let typing = false;
let focusAfter = false;

const box = setUpSearchBox({
  onType(text) {
    if (text === (view.address.q ?? "")) return;
    ask({ q: text || null, verbatim: false }, { replace: typing });
    typing = true;
  },
  onSubmit(text) {
    if (text === view.address.q) load();
    else ask({ q: text, verbatim: false }, { replace: typing });
    typing = false;
  },
  onDown: () => results.focusFirst(),
  suggest: async (text, signal) =>
    picker.name() ? api.suggest(picker.name(), text, SUGGESTIONS, signal) : [],
});

const results = setUpResults({
  onOpen: (hits, position) => viewer.open(hits, position, { ranked: isRanked(view.address) }),
  onJudge: judge,
  onLeave: () => box.focus(),
  onReveal() {
    if (!view.waiting) show({ revealed: !view.revealed });
  },
  onMore() {
    if (view.waiting) return;
    if (view.revealed || !hasHidden()) loadMore();
    else show({ revealed: true });
  },
});

const viewer = setUpViewer({
  onClose: (hit) => results.focus(hit),
  onSimilar(hit) {
    focusAfter = true;
    begin({ similar: [hit.id] });
  },
  onJudge: judge,
});

const picker = setUpCollections({
  onChoose(name) {
    view.facets = {};
    begin({ q: view.address.q, collection: name });
  },
});
const parts = setUpParts({ onChange: ask });
const refining = setUpRefining({ onChange: ask });

setUpPicture({
  async onPicture(file) {
    viewer.close();
    ask({ picture: await keep(file) });
  },
});
setUpKey();
setUpPreferences({
  onLanguage() {
    view.address = { ...view.address, lang: language() };
    address.write(view.address, { replace: true });
    showWords();
    render();
  },
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#home, .example, #repair a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (link.closest("#repair")) ask({ verbatim: true });
  else begin({ q: link.dataset.q ?? null });
});
addEventListener("popstate", () => {
  viewer.close();
  typing = false;
  box.show(address.read().q ?? "");
  const before = kept.get(address.hrefOf(address.read()));
  if (before) {
    searches.stop();
    counts.stop();
    view = before;
    results.setBusy(false);
    render();
  } else {
    start();
  }
});

/** Something else than before. */
function begin(change) {
  go({ ...address.NOTHING, collection: view.address.collection, lang: view.address.lang, ...change });
}

/** The same, but for what changes. */
function ask(change, options) {
  go({ ...view.address, ...change }, options);
}

function judge(hit, by) {
  ask(judged(view.address, by, hit));
}

function go(next, { replace = false } = {}) {
  typing = false;
  const isNamed = next.collection !== view.address.collection;
  const collection = isNamed || !picker.all() ? next.collection : picker.toName();
  address.write({ ...next, collection }, { replace });
  box.show(next.q ?? "");
  start({ fromTop: true });
}

function start({ fromTop = false } = {}) {
  view = { ...view, address: address.read(), revealed: false, waiting: true };
  results.restart();
  render();
  load({ fromTop });
}

function load({ fromTop = false } = {}) {
  results.setBusy(true);
  counts.stop();
  searches.run((signal) => find(view.address, signal), {
    answer(answer) {
      results.setBusy(false);
      show({ answer, problem: null, pageProblem: null, waiting: false });
      if (fromTop) results.scrollToTop();
      if (focusAfter) results.focusFirst();
      focusAfter = false;
      count();
    },
    problem(problem) {
      results.setBusy(false);
      show({ answer: null, problem, waiting: false });
    },
  });
}

/** The server's answer; null where there is nothing to search yet. */
async function find(asked, signal) {
  await picker.load(asked.collection, signal);
  return picker.hasPictures() ? firstPage(picker.name(), asked, signal) : null;
}

function loadMore() {
  const { answer } = view;
  searches.run((signal) => extended(picker.name(), answer, signal), {
    answer: (longer) => show({ answer: longer, pageProblem: null }),
    problem: (pageProblem) => show({ pageProblem }),
  });
}

/** After the pictures, which are waited for. */
function count() {
  const { address: asked, answer } = view;
  const fields = refining.counted(picker.fields());
  if (!answer) return;
  counts.run((signal) => counted(picker.name(), asked, answer, fields, signal), {
    answer: (facets) => show({ facets }),
    problem: () => {}, // the pictures are there; to filter them can wait
  });
}

function show(change) {
  view = { ...view, ...change };
  const place = address.hrefOf(view.address);
  kept.delete(place);
  if (view.answer) kept.set(place, view);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  render();
}

function hasHidden() {
  return isRanked(view.address) && !view.answer.hits.every(isClose);
}

/** The pictures and the notice of before stay until the answer comes. */
function render() {
  const { address: asked, waiting, answer, facets, revealed, pageProblem } = view;
  const ranked = isRanked(asked);
  document.title = [titleOf(asked), t("name")].filter(Boolean).join(" – ");
  document.body.dataset.view = isAsked(asked) ? "results" : "start";
  parts.show(asked, picker.name());
  refining.show({ ...asked, fields: picker.fields(), facets });
  if (waiting) return;
  const hasMore = isAsked(asked) && Boolean(answer?.next_cursor);
  results.show(answer, { ranked, revealed, hasMore });
  results.showSummary(answer, { ranked });
  results.showPageProblem(pageProblem);
  showRepair(answer?.query, address.hrefOf({ ...asked, verbatim: true }));
  showNotice(notice());
}

function titleOf({ q, similar }) {
  return q ?? (similar.length ? t("similar_to", { name: similar.join(", ") }) : null);
}

function notice() {
  const { answer, problem, address: asked } = view;
  const onRetry = () => load();
  if (problem) {
    return searchNotice(problem, {
      collection: picker.name(),
      collections: picker.all(),
      onRetry,
      onStart: () => begin({}),
      onCollection: (name) => picker.choose(name),
      onWithoutPicture: () => ask({ picture: null }),
    });
  }
  if (!answer) return picker.all() && emptyNotice(picker.name(), { onRetry });
  if (!answer.hits.length) return { title: t("nothing"), hint: t(nothingHint(asked)) };
  if (!isRanked(asked) || answer.hits.some(isClose)) return null;
  return {
    title: t(asked.q ? "no_close_match" : "no_close_similar"),
    hint: t("no_close_match_hint"),
  };
}

function nothingHint({ filter, sort }) {
  if (Object.keys(filter).length) return "nothing_filtered_hint";
  return sort ? "nothing_sorted_hint" : "nothing_hint";
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
if (!isRanked(view.address) && matchMedia("(hover: hover)").matches) box.focus();
