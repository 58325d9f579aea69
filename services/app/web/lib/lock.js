/**
 * exclusive(name, work): runs `work` in one tab of this browser at a time and gives its result.
 * holding(name, work): the same for work that goes on (a stream): waits for the lock, may be aborted by `signal`.
 *
 * By Web Locks where they exist. They need a secure context, and a service on a local network is reached by plain
 * http; there a lease in localStorage does it: renewed while it is held, over soon after its tab has died.
 */
import { newKey } from "./ids.js";
import { read, write } from "./storage.js";

const LEASE_MS = 4_000;
const LOOK_MS = 60;
/** Longer than another process takes to see what is stored. */
const SETTLE_MS = 50;

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @template T @param {string} name @param {() => Promise<T>} work @returns {Promise<T>} */
export function exclusive(name, work) {
  return holding(name, work, new AbortController().signal);
}

/**
 * @template T
 * @param {string} name @param {() => Promise<T>} work @param {AbortSignal} signal ends the wait, not the work
 * @returns {Promise<T>}
 */
export async function holding(name, work, signal) {
  if (navigator.locks) return navigator.locks.request(name, { signal }, work);
  const lease = await lend(`lock.${name}`, signal);
  try {
    return await work();
  } finally {
    lease.end();
  }
}

/** @param {string} name @param {AbortSignal} signal */
async function lend(name, signal) {
  const me = newKey();
  const isMine = () => (read(name) ?? "").startsWith(me);
  const take = () => write(name, `${me} ${Date.now() + LEASE_MS}`);
  const isFree = () => Number((read(name) ?? "").split(" ")[1] ?? 0) < Date.now();
  for (let look = 0; ; look++) {
    signal.throwIfAborted();
    if (isFree()) {
      take();
      await sleep(SETTLE_MS); // two tabs may have written at once: the last one has it
      if (isMine()) break;
      if (read(name) === null && look > 3) break; // without storage there are no other tabs to speak to
    }
    await sleep(LOOK_MS + Math.random() * LOOK_MS);
  }
  // A hidden tab's timers are slowed down: what another tab has taken over in the meantime stays with it.
  const timer = setInterval(() => isMine() && take(), LEASE_MS / 4);
  const end = () => {
    clearInterval(timer);
    removeEventListener("pagehide", end);
    if (isMine()) write(name, null);
  };
  addEventListener("pagehide", end);
  return { end };
}
