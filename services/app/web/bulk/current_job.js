/**
 * The page's one job: job (signal, its state) · isElsewhere (signal: another tab runs it) · followJob(owner) finds and
 * resumes it, and stops following the one of the user who was signed in before · runner() → Promise<BulkRunner>.
 */
import { batch, signal } from "@preact/signals";
import { api } from "../api.js";
import { createBulkRunner, IDLE } from "../bulk.js";
import { holding } from "../lib/lock.js";
import { read, write } from "../lib/storage.js";
import { user } from "../session.js";
import { openStore } from "./store.js";

/** @typedef {import("./types.js").JobState} JobState */

/** @type {import("@preact/signals").Signal<JobState>} */
export const job = signal(IDLE);
export const isElsewhere = signal(false);
/** Whether the store has been asked: until then nothing is known. */
export const isKnown = signal(false);

const ELSEWHERE_AFTER_MS = 600;
/** @type {Promise<import("../bulk.js").BulkRunner> | null} */
let made = null;
/** @type {{ owner: string, stop: AbortController } | null} */
let followed = null;

/** @returns {Promise<import("../bulk.js").BulkRunner>} */
export function runner() {
  made ??= openStore().then((store) => {
    const one = createBulkRunner({ api, store });
    one.subscribe((state) => {
      if (state.phase === "finished" && job.value.phase === "running") rememberRate(state);
      job.value = state;
    });
    return one;
  });
  return made;
}

/** @param {string | null} owner the user's id; null: nobody is signed in */
export function followJob(owner) {
  if (followed?.owner === owner) return;
  followed?.stop.abort();
  followed = null;
  batch(() => {
    job.value = IDLE;
    isElsewhere.value = false;
    isKnown.value = false;
  });
  if (!owner) return;
  const stop = new AbortController();
  followed = { owner, stop };
  const timer = setTimeout(() => {
    isElsewhere.value = true;
    isKnown.value = true;
  }, ELSEWHERE_AFTER_MS);
  stop.signal.addEventListener("abort", () => clearTimeout(timer));
  const work = async () => {
    clearTimeout(timer);
    const one = await runner();
    await one.restore(owner);
    if (!stop.signal.aborted) {
      isElsewhere.value = false;
      isKnown.value = true;
      await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
    }
    await one.leave();
  };
  holding(`bulk.${owner}`, work, stop.signal).catch(() => undefined);
}

/** @param {string} model @returns {number | null} rows per second of the last job */
export function lastRate(model) {
  return Number(read(`bulk.rate.${model}`)) || null;
}

user.subscribe((now) => {
  if (followed && followed.owner !== now?.id) followJob(null); // the view, where it is shown, follows the next one's
});

/** @param {JobState} state */
function rememberRate({ job: one, done }) {
  const seconds = one ? (Date.now() - one.startedAt) / 1000 : 0;
  if (one && seconds > 1) write(`bulk.rate.${one.model}`, (done / seconds).toFixed(1));
}
