/**
 * withNews(news, changed, isWanted) → what waits behind the button "1 new", newest first, each in its last state. Pure; tested by node.
 */
import { isNewer } from "../live.js";

/** @typedef {import("../live.js").Prediction} Prediction */

/**
 * @param {Prediction[]} news @param {Prediction[]} changed that the list does not hold
 * @param {(one: Prediction) => boolean} isWanted whether it belongs above the list, in this state
 * @returns {Prediction[]}
 */
export function withNews(news, changed, isWanted) {
  const byId = new Map(news.map((one) => [one.id, one]));
  for (const one of changed) if (isNewer(byId.get(one.id) ?? null, one)) byId.set(one.id, one);
  return [...byId.values()].filter(isWanted).sort((a, b) => (a.id < b.id ? 1 : -1));
}
