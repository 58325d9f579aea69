/**
 * follow(first, onChange, stop): tells each newer state of a prediction until it is final. By the live stream; where
 * there is none, or it is silent for long, by asking.
 * repeated(id, options): asks the same once more.
 */
import { api } from "../api.js";
import { connection, isErased, isNewer, isTerminal, prediction, seen } from "../live.js";
import { ApiError } from "../problem.js";

/** @typedef {import("../live.js").Prediction} Prediction */

const FIRST_LOOK_MS = 250;
const LOOK_MS_MAX = 2_000;
const LOOK_LIVE_MS = 5_000;

/** @param {Prediction} first @param {(next: Prediction) => void} onChange @param {AbortSignal} stop */
export async function follow(first, onChange, stop) {
  let known = first;
  let wake = () => {};
  /** @param {Prediction | null} next */
  const take = (next) => {
    if (!next || next === known || !isNewer(known, next)) return;
    known = next;
    onChange(next);
    wake();
  };
  const end = prediction(first.id).subscribe(take);
  stop.addEventListener("abort", () => wake());
  seen(first);
  try {
    for (let look = FIRST_LOOK_MS; !isTerminal(known) && !stop.aborted; look = Math.min(look * 1.5, LOOK_MS_MAX)) {
      const isLive = connection.peek() === "live";
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, isLive ? LOOK_LIVE_MS : look);
        wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
      if (isTerminal(known) || stop.aborted) break;
      const found = await api.get(`/predictions/${first.id}`, { signal: stop });
      seen(found);
      take(found);
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    end();
  }
}

/**
 * @param {string} id @param {import("../api.js").Options & {key: string}} options
 * @returns {Promise<Prediction>} the new one; the one of this id where its text is gone since it was shown
 */
export async function repeated(id, options) {
  try {
    return await api.post(`/predictions/${id}/repeat`, undefined, options);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "invalid_input")) throw error;
    const now = await api.get(`/predictions/${id}`, options.signal ? { signal: options.signal } : {});
    if (isErased(now)) return now;
    throw error;
  }
}
