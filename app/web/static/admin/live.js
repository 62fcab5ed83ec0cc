// The job that is at work or waits, followed as it goes.

import { Problem, serverNow } from "../http.js";
import { number, t } from "../strings.js";
import { duration, percent } from "../units.js";
import * as api from "./api.js";
import { showFigures } from "./figures.js";
import { follow } from "./follow.js";
import { amountOf, kindOf, progressOf, stageOf } from "./jobs.js";
import { announce } from "./message.js";
import { Speed } from "./speed.js";

const TICK_MS = 1000;
const STUCK_MS = 10_000;

const root = document.getElementById("live");
const cancel = document.getElementById("cancel-job");
const bar = root.querySelector(".bar");

/** `onEnd` gets the job once it has ended, and whether the focus was in its card; `onProblem`
 *  why it can no longer be followed or could not be cancelled. */
export function setUpLiveJob({ onEnd, onProblem }) {
  let job = null;
  let speed = new Speed();
  let following = null;
  let isCancelling = false;

  cancel.addEventListener("click", async () => {
    if (isCancelling) return;
    isCancelling = true;
    render();
    await api.cancel(job.id).catch((error) => {
      isCancelling = false;
      render();
      onProblem(error);
    });
  });
  setInterval(() => job && render(), TICK_MS);

  function render() {
    root.hidden = !job;
    announce(job ? `${kindOf(job)} · ${stageOf(job)}` : "");
    if (!job) return;
    showJob(job, speed);
    cancel.textContent = t(isCancelling ? "cancelling" : "cancel_job");
    cancel.setAttribute("aria-disabled", String(isCancelling));
  }

  function take(next) {
    job = next;
    speed.note(job, performance.now());
    if (api.isUnfinished(job)) {
      render();
    } else {
      const hadFocus = root.contains(document.activeElement);
      stop();
      onEnd(next, { hadFocus });
    }
  }

  function begin(next) {
    stop();
    following = new AbortController();
    speed = new Speed();
    isCancelling = false;
    take(next);
    follow(next.id, take, following.signal).catch((error) => {
      if (!(error instanceof Problem)) throw error;
      stop();
      onProblem(error);
    });
  }

  function pause() {
    following?.abort();
    following = null;
  }

  function stop() {
    pause();
    job = null;
    render();
  }

  return {
    /** What is followed already is left to its stream, which knows more than the list. */
    show(next) {
      if (next && (next.id !== job?.id || !following)) begin(next);
      else if (!next && job) stop();
    },
    pause,
    stop,
    render,
    focus: () => cancel.focus(),
  };
}

function showJob(job, speed) {
  const share = progressOf(job);
  root.dataset.state = job.state;
  root.querySelector("h3").textContent = kindOf(job);
  root.querySelector(".words").textContent = stageOf(job);
  root.querySelector(".share").textContent = share === null ? "" : percent(share);
  root.querySelector(".why").textContent = job.error ?? "";
  root.querySelector(".why").hidden = !job.error;
  bar.classList.toggle("is-vague", share === null);
  bar.style.setProperty("--share", share ?? 0);
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
  bar.setAttribute("aria-valuetext", [stageOf(job), share && percent(share)].filter(Boolean).join(" "));
  showFigures(root.querySelector("dl"), figures(job, speed.perSecond(performance.now())));
  const waited = serverNow() - Date.parse(job.created_at);
  root.querySelector(".stuck").hidden = job.state !== "queued" || waited < STUCK_MS;
}

function figures(job, rate) {
  const since = Date.parse(job.started_at ?? job.created_at);
  const rows = [[t(job.started_at ? "elapsed" : "waited"), duration((serverNow() - since) / 1000)]];
  if (job.state !== "running") return rows;
  if (amountOf(job)) rows.unshift([t("done"), amountOf(job)]);
  if (rate) rows.push([t("rate"), t("per_second", { n: number(rate, { maximumSignificantDigits: 3 }) })]);
  if (rate && job.total) rows.push([t("left"), duration((job.total - job.done) / rate)]);
  if (job.attempts > 1) rows.push([t("attempt"), number(job.attempts)]);
  return rows;
}
