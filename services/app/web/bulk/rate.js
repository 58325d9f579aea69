/**
 * How fast a count grows lately: new Rate(now) → add(count), perSecond().
 */

const WINDOW_MS = 10_000;

export class Rate {
  /** @type {{ at: number, count: number }[]} */
  #seen = [];

  /** @param {() => number} now */
  constructor(now) {
    this.now = now;
  }

  /** @param {number} count The whole, not the growth. */
  add(count) {
    const at = this.now();
    this.#seen.push({ at, count });
    while (this.#seen.length > 2 && at - /** @type {{ at: number }} */ (this.#seen[1]).at > WINDOW_MS) this.#seen.shift();
  }

  /** @returns {number} */
  perSecond() {
    const first = this.#seen[0];
    const last = this.#seen.at(-1);
    if (!first || !last || last.at === first.at) return 0;
    return ((last.count - first.count) * 1000) / (last.at - first.at);
  }
}
