/**
 * Who is signed in. The access token lives in this module's memory, the refresh token in a cookie that no script sees.
 *
 * user (signal, GET /users/me or null) · state (signal): "unknown" until the first look, "in", "out", or "ended" when a
 * session ended under the page, which then asks for the password in a dialog and keeps everything as it is.
 * may(role) → boolean.
 * start() · signIn(name, password) · signOut() · register(name, password) · updateUser(changes) · accessToken() →
 * Promise<string | null> · renew(stale) → Promise<boolean>.
 *
 * A refresh token serves once, and using it twice ends the session: tabs refresh one at a time (lib/lock.js) and hand
 * the new access token to each other.
 */
import { batch, signal } from "@preact/signals";
import { exclusive } from "./lib/lock.js";
import { read, write } from "./lib/storage.js";
import { ApiError, readAnswer, unanswered } from "./problem.js";

/**
 * @typedef {"viewer" | "support" | "admin"} Role
 * @typedef {{id: string, username: string, balance: number, role: Role | null, is_admin: boolean, is_demo: boolean, created_at: string,
 *   language?: "en" | "ru" | null, notify?: string[]}} User
 * @typedef {{access_token: string, expires_in: number, user: User}} Opened
 * @typedef {"unknown" | "in" | "out" | "ended"} SignInState
 */

/** @type {import("@preact/signals").Signal<User | null>} */
export const user = signal(null);
/** @type {import("@preact/signals").Signal<SignInState>} */
export const state = signal("unknown");

const ROLES = ["viewer", "support", "admin"];
/** @param {Role} needed @returns {boolean} whether the role of who is signed in is enough for what needs this one */
export const may = (needed) => ROLES.indexOf(user.value?.role ?? "") >= ROLES.indexOf(needed);

const EARLY_MS = 30_000;
/** @type {{token: string, until: number} | null} */
let access = null;
/** @type {Promise<boolean> | null} */
let renewing = null;
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("session") : null;

/** @param {Opened} opened @param {boolean} [tell] whether the other tabs have to learn it */
function open(opened, tell = true) {
  access = { token: opened.access_token, until: Date.now() + opened.expires_in * 1000 };
  batch(() => {
    user.value = opened.user;
    state.value = "in";
  });
  write("signed_in", "1");
  if (tell) tabs?.postMessage({ opened });
}

/** @param {SignInState} next @param {boolean} [tell] */
function close(next, tell = true) {
  access = null;
  state.value = next;
  if (next === "out") user.value = null;
  write("signed_in", null);
  if (tell) tabs?.postMessage({ closed: next });
}

tabs?.addEventListener("message", ({ data }) => {
  if (data.opened) open(data.opened, false);
  else if (state.value === "in") close(data.closed, false);
});

/** @param {string} method @param {string} path @param {object} [body] */
async function ask(method, path, body) {
  /** @type {RequestInit} */
  // keepalive: the new cookie of a refresh has to arrive even if the page is just being closed.
  const init = { method, credentials: "same-origin", keepalive: true, headers: { Accept: "application/json" } };
  if (body) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  const response = await fetch(path, init).catch((/** @type {unknown} */ error) => {
    throw unanswered(error);
  });
  return readAnswer(response);
}

/**
 * Look whether this browser is signed in. A visitor costs no request. Throws ApiError, and leaves it unknown, where
 * there was no answer: the session may well be alive.
 */
export async function start() {
  if (read("signed_in")) await renew(null);
  if (state.value === "unknown") state.value = access ? "in" : "out";
}

/** @param {string} username @param {string} password */
export async function signIn(username, password) {
  open(await ask("POST", "/session", { username, password }));
}

/** @param {string} username @param {string} password */
export async function register(username, password) {
  await ask("POST", "/users", { username, password });
  if (state.peek() === "in") await ask("DELETE", "/session").catch(() => undefined);
  await signIn(username, password);
}

export async function signOut() {
  await ask("DELETE", "/session").catch((error) => {
    if (!(error instanceof ApiError) || error.isTransient) throw error;
  });
  close("out");
}

/** Leave without a request: the account or the session is gone already. */
export function forgetSession() {
  close("out");
}

/** @param {Partial<User>} changes what an answer of the API said about the user */
export function updateUser(changes) {
  if (user.value) user.value = { ...user.value, ...changes };
}

/** @returns {Promise<string | null>} a token that is good for a while; null when signed out */
export async function accessToken() {
  if (access && Date.now() > access.until - EARLY_MS) await renew(access.token);
  return access?.token ?? null;
}

/**
 * Exchange the cookie for a new access token, once for all who ask at the same time, in all tabs.
 * @param {string | null} stale the token that no longer serves
 * @returns {Promise<boolean>} false: the session has ended. Throws ApiError where there was no answer.
 */
export function renew(stale) {
  renewing ??= exclusive("session", async () => {
    if (access && access.token !== stale) return true; // another tab was first
    try {
      open(await ask("POST", "/session/refresh"));
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      close(state.value === "in" ? "ended" : "out");
      return false;
    }
  }).finally(() => {
    renewing = null;
  });
  return renewing;
}
