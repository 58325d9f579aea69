/**
 * Which dialog of signing in is asked for: openAuth("sign_in" | "create", then) · closeAuth() · goOn(): the person is in ·
 * wanted (signal) · tryDemo() signs the demo user in. components/auth_dialogs.js shows them.
 */
import { signal } from "@preact/signals";
import { signIn } from "./session.js";

/** @typedef {"sign_in" | "create"} AuthKind */
/** @type {import("@preact/signals").Signal<AuthKind | null>} */
export const wanted = signal(null);
/** What the person was about to do. @type {(() => unknown) | null} */
let next = null;
const DEMO = { username: "test", password: "test" };

/** @param {AuthKind} kind @param {() => unknown} [then] runs once the person is in */
export function openAuth(kind, then) {
  next = then ?? (wanted.peek() ? next : null);
  wanted.value = kind;
}

export function closeAuth() {
  wanted.value = null;
  next = null;
}

/** Then comes what the person came for. */
export function goOn() {
  const then = next;
  closeAuth();
  void then?.();
}

/** Demo mode has one account for everyone, whose name and password are public. */
export function tryDemo() {
  return signIn(DEMO.username, DEMO.password);
}
