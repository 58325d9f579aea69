/**
 * retryDelayS(error, attempt) → seconds until the next attempt · pause(seconds, signal) waits that long, and less when
 * the browser comes back online or the person asks for it by `hurry()`.
 */

const FIRST_S = 1;
const MOST_S = 30;

/**
 * What the server asked for, else twice as long each time.
 * @param {number | null} retryAfterS @param {number} attempt from 0
 */
export function retryDelayS(retryAfterS, attempt) {
  return retryAfterS ?? Math.min(MOST_S, FIRST_S * 2 ** attempt);
}

const waiting = new EventTarget();

/** Everything that waits goes on now. */
export function hurry() {
  waiting.dispatchEvent(new Event("hurry"));
}

/** @param {number} seconds @param {AbortSignal | undefined} signal @returns {Promise<void>} rejects when aborted */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = () => {
      clearTimeout(timer);
      waiting.removeEventListener("hurry", done);
      globalThis.removeEventListener?.("online", done);
      signal?.removeEventListener("abort", stop);
    };
    const done = () => {
      leave();
      resolve();
    };
    const stop = () => {
      leave();
      reject(signal?.reason);
    };
    const timer = setTimeout(done, seconds * 1000);
    waiting.addEventListener("hurry", done);
    globalThis.addEventListener?.("online", done);
    signal?.addEventListener("abort", stop);
  });
}
