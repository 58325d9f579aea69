/** What the times of a prediction say. */

/** Below this the rest of the time is only what storing an answer takes. */
const PREPARING_MS_MIN = 500;

/**
 * The time that a worker took besides computing, where it is long: a sleeping model was loaded, or another batch came
 * first. Null where it is short, or not known yet.
 * @param {{timings: {queued_ms: number | null, predict_ms: number | null, total_ms: number | null}}} one @returns {number | null}
 */
export function preparingMs(one) {
  const { queued_ms: queued, predict_ms: computing, total_ms: total } = one.timings;
  if (queued === null || computing === null || total === null) return null;
  const rest = total - queued - computing;
  return rest < PREPARING_MS_MIN ? null : rest;
}
