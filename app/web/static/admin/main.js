// The page: all collections, or the one that the address names, as they are now.

import { setUpKey } from "../key.js";
import { Latest } from "../latest.js";
import { emptyNotice, problemNotice, showNotice } from "../notices.js";
import { setUpPreferences, showTheme } from "../preferences.js";
import { t, translate } from "../strings.js";
import { activate } from "./activate.js";
import * as address from "./address.js";
import * as api from "./api.js";
import { showCollections, showFacts } from "./collections.js";
import { showHistory } from "./history.js";
import { kindOf, stateOf } from "./jobs.js";
import { setUpLiveJob } from "./live.js";
import { complain, say } from "./message.js";
import { setUpReindex } from "./reindex.js";
import { showVersions } from "./versions.js";

const LOOK_AGAIN_MS = 4000;
const part = (id) => document.getElementById(id);

const looks = new Latest();
let nextLook = 0;
/** {name, collections, jobs, versions}, the last two only where there is such a collection; what was seen last stays until the next has come. */
let seen = null;

const live = setUpLiveJob({
  onEnd(job, { hadFocus }) {
    const grave = job.state === "failed";
    say(`${kindOf(job)}: ${stateOf(job)}`, { grave, focus: hadFocus });
    look();
  },
  onProblem: complain,
});

const form = setUpReindex({
  onReindex: (wanted) => act((name) => api.reindex(name, wanted), () => live.focus()),
});

const onActivate = (version, active) =>
  act(
    (name) => activate(name, version, active),
    (answer) =>
      answer?.job_id ? live.focus() : say(t("activated", { name: version.name }), { focus: true }),
  );

/** Whether `task(collection)` was done; the page has looked at what came of it by then. */
async function act(task, onDone) {
  say("");
  try {
    const answer = await task(seen.name);
    if (answer === undefined) return false;
    await look();
    onDone(answer);
    return true;
  } catch (error) {
    complain(error, { focus: true });
    look();
    return false;
  }
}

function look() {
  clearTimeout(nextLook);
  return looks.run((signal) => find(address.read(), signal), { answer: show, problem: showProblem });
}

async function find(name, signal) {
  const collections = await api.collections(signal);
  if (name === null) return { name, collections, jobs: await api.jobs(null, signal), versions: [] };
  if (!collections.some((one) => one.name === name)) return { name, collections };
  const [jobs, versions] = await Promise.all([api.jobs(name, signal), api.versions(name, signal)]);
  return { name, collections, jobs, versions };
}

function show(answer) {
  nextLook = setTimeout(look, LOOK_AGAIN_MS);
  const isElsewhere = seen !== null && seen.name !== answer.name;
  seen = answer;
  if (isElsewhere) say("");
  render();
  if (!isElsewhere) return;
  form.reset();
  scrollTo(0, 0);
  document.querySelector("main h1:not([hidden] *)")?.focus();
}

function render() {
  const { name, collections, jobs, versions } = seen;
  const collection = collections.find((one) => one.name === name);
  document.title = [name, t("admin"), t("name")].filter(Boolean).join(" – ");
  showNotice(notice(seen, collection));
  showPart(collection ? "detail" : name === null && collections.length ? "overview" : null);
  if (!collection) live.stop();
  if (name === null) showCollections(collections, jobs);
  if (collection) showCollection(collection, collections, jobs, versions);
}

function notice({ name, collections }, collection) {
  if (name === null) return collections.length ? null : emptyNotice(null, { onRetry: look });
  return collection ? null : { grave: true, title: t("unknown_collection", { name }) };
}

function showPart(shown) {
  part("content").setAttribute("aria-busy", "false");
  for (const id of ["overview", "detail"]) part(id).hidden = id !== shown;
}

function showCollection(collection, collections, jobs, versions) {
  const unfinished = jobs.find(api.isUnfinished) ?? null;
  showFacts(collection);
  live.show(unfinished);
  live.render();
  form.show(collection, {
    models: [...collections, ...versions].map(({ model }) => model),
    isBusy: unfinished !== null,
  });
  showVersions(versions, { onActivate });
  showHistory(jobs);
}

/** While the server is away what was seen last stays, and `looks` tries again. */
function showProblem(problem) {
  showNotice(problemNotice(problem, { onRetry: look }));
  if (problem.passes && seen) return;
  seen = null;
  live.stop();
  showPart(null);
}

address.onFollow(look);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    look();
    return;
  }
  // A connection that nobody watches is one of the six that a browser opens to a server.
  clearTimeout(nextLook);
  looks.stop();
  live.pause();
});

setUpKey();
setUpPreferences({
  onLanguage() {
    address.dropLanguage();
    say("");
    showWords();
    if (seen) render();
  },
});

function showWords() {
  translate();
  showTheme();
}

showWords();
look();
