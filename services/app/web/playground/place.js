/**
 * usePlace(prediction) → {position, estimated_s} of a prediction that waits and is looked at, else null. GET /events does
 * not tell it, so the prediction's own stream is read, once it has waited for a moment and only while it is on the screen.
 */
import { useEffect, useState } from "preact/hooks";
import { api } from "../api.js";
import { fmt, t } from "../i18n/index.js";
import { readJson } from "../lib/json.js";
import { parser } from "../lib/sse.js";
import { pause } from "../lib/wait.js";
import { seen } from "../live.js";

/** @typedef {{position: number, estimated_s: number | null}} QueuePlace */

/** A shorter wait is over before it is read. */
const WORTH_TELLING_MS = 500;
const AGAIN_S = 2;

/** Read a prediction's stream until it ends. @param {string} id @param {(place: QueuePlace) => void} onPlace @param {AbortSignal} stop */
async function read(id, onPlace, stop) {
  const headers = { Accept: "text/event-stream" };
  const response = await api.raw("GET", `/predictions/${id}/events`, undefined, { headers, signal: stop, retry: false });
  const decoder = new TextDecoder();
  const push = parser(({ event, data }) => {
    if (event === "status") seen(readJson(data));
    if (event === "queue") onPlace(JSON.parse(data));
  });
  const reader = response.body?.getReader();
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
    push(decoder.decode(piece.value, { stream: true }));
  }
}

/** @param {string} id @param {(place: QueuePlace) => void} onPlace @param {AbortSignal} stop */
async function follow(id, onPlace, stop) {
  await pause(WORTH_TELLING_MS / 1000, stop);
  while (!stop.aborted) {
    await read(id, onPlace, stop).catch(() => undefined); // what it became is told by the page's own stream
    await pause(AGAIN_S, stop);
  }
}

/** @param {import("../live.js").Prediction | null} one @returns {QueuePlace | null} */
export function usePlace(one) {
  const [place, setPlace] = useState(/** @type {QueuePlace | null} */ (null));
  const waiting = one?.status === "queued" && one.batch_id === null ? one.id : null;
  useEffect(() => {
    setPlace(null);
    if (!waiting) return undefined;
    const end = new AbortController();
    follow(waiting, setPlace, end.signal).catch(() => undefined); // it ended
    return () => end.abort();
  }, [waiting]);
  return waiting ? place : null;
}

/** @param {QueuePlace} place @returns {string} "In line: number 3, about 2 s" */
export function placeText({ position, estimated_s: seconds }) {
  const n = fmt.number(position);
  return seconds === null ? t("place.only", { n }) : t("place.about", { n, time: fmt.duration(seconds * 1000) });
}
