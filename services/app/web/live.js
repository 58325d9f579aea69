/**
 * What changes while one looks; stream.js brings it.
 *
 * balance, held (signals, number | null) · connection (signal): "off" (signed out), "connecting", "live", "lost",
 * "absent" (the service has no stream) · prediction(id) → signal of the prediction as last seen, or null ·
 * onPredictions(fn) → stop; fn gets a list of changed predictions, at most once per frame · seen(prediction): tell the
 * page what an answer of the API said · forgetPredictions(): another person comes.
 */
import { batch, signal } from "@preact/signals";

/**
 * @typedef {"queued" | "processing" | "succeeded" | "failed" | "canceled" | "expired"} Status
 * @typedef {{id: string, model: string, version: string | null, status: Status, input: any, output: any,
 *   error: {code: string, message: string} | null, cost: number, charged: number, source: string,
 *   batch_id: string | null, worker_id: string | null, attempts: number, created_at: string, started_at: string | null,
 *   finished_at: string | null, deadline_at: string | null,
 *   timings: {queued_ms: number | null, predict_ms: number | null, total_ms: number | null}}} Prediction
 */

/** @type {import("@preact/signals").Signal<number | null>} */
export const balance = signal(null);
/** @type {import("@preact/signals").Signal<number | null>} */
export const held = signal(null);
/** @type {import("@preact/signals").Signal<"off" | "connecting" | "live" | "lost" | "absent">} */
export const connection = signal("off");

const TERMINAL = new Set(["succeeded", "failed", "canceled", "expired"]);
const RANK = { queued: 0, processing: 1, succeeded: 2, failed: 2, canceled: 2, expired: 2 };
const WATCHED_MAX = 500;

/** @type {Map<string, import("@preact/signals").Signal<Prediction | null>>} */
const watched = new Map();
/** @type {Set<(changed: Prediction[]) => void>} */
const listeners = new Set();
/** @type {Map<string, Prediction>} */
let changed = new Map();

/** @param {{status: string}} one @returns {boolean} whether it can no longer change */
export const isTerminal = (one) => TERMINAL.has(one.status);

/** An input is never null: where it is, retention has erased the texts, the answer among them. @param {{input: any}} one */
export const isErased = (one) => one.input === null;

/** @param {string} id @returns {import("@preact/signals").Signal<Prediction | null>} */
export function prediction(id) {
  let found = watched.get(id);
  if (!found) {
    found = signal(null);
    if (watched.size >= WATCHED_MAX) watched.delete(/** @type {string} */ (watched.keys().next().value));
    watched.set(id, found);
  }
  return found;
}

/** @param {(changed: Prediction[]) => void} listener @returns {() => void} stops it */
export function onPredictions(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {Prediction | null} known @param {Prediction} next @returns {boolean} whether `next` is not older than `known` */
export function isNewer(known, next) {
  if (!known) return true;
  if (RANK[next.status] !== RANK[known.status]) return RANK[next.status] > RANK[known.status] || !isTerminal(known);
  return next.attempts >= known.attempts;
}

/** @param {Prediction} one */
export function seen(one) {
  const known = changed.get(one.id) ?? watched.get(one.id)?.peek() ?? null;
  if (!isNewer(known, one)) return;
  if (changed.size === 0) later(flush);
  changed.set(one.id, one);
}

/** In the next frame, or soon where the tab is hidden and has no frames. @param {() => void} work */
function later(work) {
  if (document.visibilityState === "visible") requestAnimationFrame(work);
  else setTimeout(work, 100);
}

function flush() {
  const all = [...changed.values()];
  if (all.length === 0) return; // they were forgotten
  changed = new Map();
  batch(() => {
    for (const one of all) {
      const found = watched.get(one.id);
      if (found) found.value = one;
    }
    for (const listener of listeners) listener(all);
  });
}

export function forgetPredictions() {
  watched.clear();
  changed.clear();
}
