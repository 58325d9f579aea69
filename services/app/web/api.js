/**
 * Every request of the page.
 *
 * api.get(path, {query, signal}) · api.post(path, body, {key, prefer}) (a Blob goes as it is) · api.patch · api.delete → parsed JSON, or throws
 * ApiError (problem.js). api.raw(…) → the Response, for downloads and streams.
 *
 * A 401 refreshes the session once and asks again; when the session has ended, the request waits until the person has
 * signed in again and then goes on, so that nothing typed is lost.
 * 429, 503 and lost connections are retried, with the same Idempotency-Key, as long as that is harmless: for GET, and
 * for what has a key while the service knows it. `onWait({reason, until} | null)` tells the view; without it the page's banner shows
 * `delay`. `retry: false` throws at once. reasonOf(error) → why it waits.
 */
import { signal as makeSignal } from "@preact/signals";
import { KEY_KEPT_MS } from "./lib/ids.js";
import { writeJson } from "./lib/json.js";
import { pause, retryDelayS } from "./lib/wait.js";
import { ApiError, readAnswer, unanswered } from "./problem.js";
import { accessToken, renew, state, user } from "./session.js";

/**
 * @typedef {{reason: "offline" | "unreachable" | "busy" | "pace" | "full", until: number}} Delay
 *   why a request waits, and the time (ms since 1970) when it goes on
 * @typedef {{query?: Record<string, any>, key?: string, prefer?: string, headers?: Record<string, string>,
 *   signal?: AbortSignal, cache?: RequestCache, retry?: boolean, onWait?: (delay: Delay | null) => void}} Options
 */

/**
 * The delay of the requests whose view does not show it itself.
 * @type {import("@preact/signals").Signal<Delay | null>}
 */
export const delay = makeSignal(null);

/** @param {string} path @param {Record<string, any>} [query] undefined, null and "" are left out; arrays repeat */
export function address(path, query = {}) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") found.append(name, String(one));
    }
  }
  const text = found.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * What early.js has asked for before the modules were there; each answer serves once.
 * @param {string} path @returns {Promise<Response> | undefined}
 */
function takeBegun(path) {
  /** @type {Record<string, Promise<Response>>} */
  const all = /** @type {any} */ (globalThis).begun ?? {};
  const found = all[path];
  delete all[path];
  return found;
}

/** @param {string} method @param {string} path @param {unknown} body @param {Options} options @param {string | null} token */
function send(method, path, body, options, token) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", ...options.headers };
  const begun = method === "GET" ? takeBegun(path) : null;
  if (token) headers.Authorization = `Bearer ${token}`;
  const isFile = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = isFile ? body.type : "application/json";
  if (options.key) headers["Idempotency-Key"] = options.key;
  if (options.prefer) headers.Prefer = options.prefer;
  const answer = begun ?? fetch(address(path, options.query), {
    method,
    headers,
    credentials: "same-origin",
    cache: options.cache ?? "no-cache",
    signal: options.signal ?? null,
    body: body === undefined ? null : isFile ? body : writeJson(body),
  });
  return answer.catch((/** @type {unknown} */ error) => {
    throw unanswered(error);
  });
}

/**
 * The session ended: wait until the same person has signed in again over the page, or has given up.
 * @param {AbortSignal | undefined} signal @returns {Promise<boolean>}
 */
function signedInAgain(signal) {
  const who = user.peek()?.id;
  return new Promise((resolve, reject) => {
    const stop = state.subscribe((now) => {
      if (now === "ended" || now === "unknown") return;
      signal?.removeEventListener("abort", abort);
      queueMicrotask(() => stop());
      resolve(now === "in" && user.peek()?.id === who);
    });
    const abort = () => {
      stop();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort);
  });
}

/**
 * A wrong password is a 401 too: the session goes on, and asking again would count as another guess.
 * @param {Response} response
 */
async function isPasswordWrong(response) {
  const body = await response.clone().json().catch(() => null);
  return body?.code === "wrong_credentials";
}

/**
 * One attempt, with the session refreshed where that helps.
 * @param {string} method @param {string} path @param {unknown} body @param {Options} options
 * @returns {Promise<Response>}
 */
async function attempt(method, path, body, options) {
  let token = await accessToken();
  if (token === null && state.peek() === "ended" && (await signedInAgain(options.signal))) token = await accessToken();
  const response = await send(method, path, body, options, token);
  if (response.status !== 401 || token === null || (await isPasswordWrong(response))) return response;
  if ((await renew(token)) || (state.peek() === "ended" && (await signedInAgain(options.signal)))) {
    return send(method, path, body, options, await accessToken());
  }
  return response;
}

/** @param {ApiError} error @returns {Delay["reason"]} */
export function reasonOf(error) {
  if (error.code === "offline" || error.code === "unreachable") return error.code;
  if (error.code === "too_many_queued") return "full";
  return error.status === 429 ? "pace" : "busy";
}

/**
 * @param {string} method @param {string} path @param {unknown} body @param {Options} options
 * @returns {Promise<Response>}
 */
async function raw(method, path, body, options = {}) {
  const mayRepeat = options.retry !== false && (method === "GET" || options.key !== undefined);
  const until = options.key === undefined ? Infinity : Date.now() + KEY_KEPT_MS;
  const tell = options.onWait ?? ((/** @type {Delay | null} */ found) => (delay.value = found));
  for (let failures = 0; ; failures++) {
    try {
      const response = await attempt(method, path, body, options);
      if (!response.ok) await readAnswer(response);
      if (failures) tell(null);
      return response;
    } catch (error) {
      const again = mayRepeat && error instanceof ApiError && error.isTransient;
      if (!again || Date.now() > until) {
        if (failures) tell(null);
        throw error;
      }
      const seconds = retryDelayS(error.retryAfterS, failures);
      tell({ reason: reasonOf(error), until: Date.now() + seconds * 1000 });
      await pause(seconds, options.signal).catch((/** @type {unknown} */ reason) => {
        tell(null);
        throw reason;
      });
    }
  }
}

/**
 * @param {string} method @param {string} path @param {unknown} body @param {Options} [options]
 * @returns {Promise<any>}
 */
async function ask(method, path, body, options) {
  return readAnswer(await raw(method, path, body, options));
}

export const api = {
  raw,
  /** @param {string} path @param {Options} [options] */
  get: (path, options) => ask("GET", path, undefined, options),
  /** @param {string} path @param {unknown} [body] @param {Options} [options] */
  post: (path, body, options) => ask("POST", path, body, options),
  /** @param {string} path @param {unknown} body @param {Options} [options] */
  patch: (path, body, options) => ask("PATCH", path, body, options),
  /** @param {string} path @param {unknown} [body] @param {Options} [options] */
  delete: (path, body, options) => ask("DELETE", path, body, options),
};
