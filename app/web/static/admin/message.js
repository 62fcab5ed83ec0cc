// What came of the reader's last act, beside where it was done; and what is only heard.

import { Problem } from "../http.js";
import { t } from "../strings.js";

const message = document.getElementById("message");
const voice = document.getElementById("announce");

/** `focus`: the button that was pressed may be gone, so the focus goes to what is said. */
export function say(text, { grave = false, focus = false } = {}) {
  message.setAttribute("role", grave ? "alert" : "status");
  message.classList.toggle("is-grave", grave);
  message.textContent = text;
  message.hidden = !text;
  if (text && focus) message.focus();
}

/** For screen readers, once the present sentence is over. */
export function announce(text) {
  if (voice.textContent !== text) voice.textContent = text;
}

/** A Problem, in a sentence. */
export function complain(problem, { focus = false } = {}) {
  if (!(problem instanceof Problem)) throw problem;
  const { status, detail } = problem;
  const words = { 0: t("away"), 401: t("key_needed"), 403: `${t("not_allowed")}: ${detail}` };
  say(words[status] ?? (problem.body.job_id ? t("busy") : detail), { grave: true, focus });
}
