// How fast a stage advances: over the last seconds, so that a slow start is soon forgotten.

const WINDOW_MS = 15_000;
const LEAST_MS = 1_500;

export class Speed {
  #stage = null;
  #samples = [];

  /** A stage counts in units of its own, so each is measured anew. */
  note({ stage, done, attempts }, now) {
    const name = `${stage} ${attempts}`;
    if (name !== this.#stage) this.#samples = [];
    this.#stage = name;
    this.#samples.push({ done, now });
    while (this.#samples.length > 2 && now - this.#samples[0].now > WINDOW_MS) {
      this.#samples.shift();
    }
  }

  /** Units a second; null where too little was seen. */
  perSecond(now) {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || now - first.now < LEAST_MS) return null;
    return ((last.done - first.done) * 1000) / (now - first.now);
  }
}
