/**
 * One event stream for all tabs of this browser, which tells live.js what changes. start() follows the session.
 *
 * The tab that holds the lock "live" reads GET /events and hands every event to the others by BroadcastChannel; when
 * it closes, another takes over with the last id that it saw.
 */
import { batch, effect, untracked } from "@preact/signals";
import { api } from "./api.js";
import { readJson } from "./lib/json.js";
import { holding } from "./lib/lock.js";
import { parser } from "./lib/sse.js";
import { pause, retryDelayS } from "./lib/wait.js";
import { balance, connection, forgetPredictions, held, seen } from "./live.js";
import { ApiError } from "./problem.js";
import { state, user } from "./session.js";

/** @typedef {{event: string, data: any, id: string | null}} Told */

const STEADY_MS = 5_000;
/** @type {string | null} */
let lastId = null;
/** @type {AbortController | null} */
let running = null;
let isReader = false;
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("live") : null;

/** @param {Told} told */
function take({ event, data, id }) {
  if (id !== null) lastId = id;
  if (event === "prediction") seen(data);
  if (event === "balance" || event === "snapshot") {
    batch(() => {
      balance.value = data.balance;
      held.value = data.held;
    });
  }
  if (event === "snapshot") for (const one of data.open ?? []) seen(one);
}

tabs?.addEventListener("message", ({ data }) => {
  if (!running || data.who !== user.peek()?.id) return;
  if (data.hello && isReader) {
    tell({ told: { event: "balance", data: { balance: balance.peek(), held: held.peek() }, id: lastId } });
  }
  if (data.told) {
    connection.value = "live";
    take(data.told);
  }
  if (data.connection) connection.value = data.connection;
});

/** @param {object} message */
const tell = (message) => tabs?.postMessage({ who: user.peek()?.id, ...message });

/** @param {"connecting" | "live" | "lost" | "absent"} next */
function setConnection(next) {
  connection.value = next;
  tell({ connection: next });
}

/** Read the stream until it ends. @param {AbortSignal} stop */
async function readStream(stop) {
  const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
  const response = await api.raw("GET", "/events", undefined, { headers, signal: stop, retry: false });
  if (!response.body) throw new ApiError(0, "unreachable", "no body");
  isReader = true;
  setConnection("live");
  const decoder = new TextDecoder();
  const push = parser(({ event, data, id }) => {
    const told = { event, data: readJson(data), id };
    take(told);
    tell({ told });
  });
  const reader = response.body.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    push(decoder.decode(piece.value, { stream: true }));
  }
}

/** @param {AbortSignal} stop */
async function keepReading(stop) {
  for (let failures = 0; !stop.aborted; failures++) {
    const began = Date.now();
    let asked = null;
    try {
      await readStream(stop);
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof ApiError && error.status === 404) {
        setConnection("absent");
        return;
      }
      setConnection("lost");
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && !error.isTransient) return;
      if (error instanceof ApiError) asked = error.retryAfterS;
    }
    // A server ends each stream now and then. One that ends them at once is stopping: it is given time.
    if (Date.now() - began > STEADY_MS) failures = -1;
    const seconds = failures < 0 ? Math.random() : retryDelayS(asked, Math.min(failures, 4));
    await pause(seconds, stop).catch(() => undefined);
  }
}

/** Follow the session: a stream while someone is signed in. */
export function start() {
  let who = /** @type {string | null} */ (null);
  effect(() => {
    // Of both: another account may take the place of the one that is in, without a sign-out between them.
    const now = state.value;
    const next = now === "in" ? (user.value?.id ?? null) : null;
    if (next === who) return;
    who = next;
    untracked(() => follow(who, now));
  });
}

/** @param {string | null} who the user's id; null: nobody is in @param {import("./session.js").SignInState} now */
function follow(who, now) {
  running?.abort();
  running = null;
  isReader = false;
  lastId = null;
  if (now !== "ended") forgetPredictions();
  connection.value = who ? "connecting" : "off";
  balance.value = who ? (user.peek()?.balance ?? null) : now === "ended" ? balance.peek() : null;
  held.value = null;
  if (!who) return;
  running = new AbortController();
  const { signal: stop } = running;
  const work = () => keepReading(stop);
  const hold = tabs ? holding(`live.${who}`, work, stop) : work();
  hold.catch(() => undefined);
  tell({ hello: true });
}
