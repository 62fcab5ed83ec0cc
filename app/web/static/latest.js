// One task at a time: a newer one ends the older, whose answer can then never be shown.

import { Problem } from "./http.js";

const LONGEST_WAIT_MS = 15_000;

export class Latest {
  #current = null;

  stop() {
    this.#current?.abort();
  }

  /**
   * `task(signal)` until it succeeds or fails for good; a fault that passes is tried again.
   * `on.answer` and `on.problem` are told only while this is the newest.
   */
  async run(task, on) {
    this.stop();
    const controller = new AbortController();
    this.#current = controller;
    const isNewest = () => this.#current === controller && !controller.signal.aborted;
    for (let attempt = 0; isNewest(); attempt += 1) {
      try {
        const answer = await task(controller.signal);
        if (isNewest()) on.answer(answer);
        return;
      } catch (error) {
        if (!isNewest()) return;
        if (!(error instanceof Problem)) throw error;
        on.problem(error);
        if (!error.passes) return;
        await pause(attempt, controller.signal, error.retryAfter);
      }
    }
  }
}

/** Longer with every attempt, and no shorter than the server asked for, in seconds. */
export function pause(attempt, signal, retryAfter = 0) {
  const wait = Math.max(retryAfter * 1000, 1000 * 2 ** attempt);
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(wait, LONGEST_WAIT_MS));
    signal.addEventListener("abort", resolve, { once: true });
  });
}
