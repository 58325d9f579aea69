/**
 * The API key that was made last in this tab: the code beside it has it until the tab is closed or reloaded. It is kept
 * nowhere else.
 *
 * rememberKey(key) · forgetKey(id) · keyFor(model) → the key, where it may ask this model, else null
 */
import { signal } from "@preact/signals";
import { user } from "./session.js";

/** @typedef {{id: string, key: string, scopes: string[], models: string[] | null}} Made */

/** @type {import("@preact/signals").Signal<{who: string | undefined, made: Made} | null>} */
const last = signal(null);

/** @param {Made} made */
export function rememberKey(made) {
  last.value = { who: user.peek()?.id, made };
}

/** It was revoked. @param {string} id */
export function forgetKey(id) {
  if (last.peek()?.made.id === id) last.value = null;
}

/** @param {string} model @returns {string | null} */
export function keyFor(model) {
  const found = last.value;
  if (!found || found.who !== user.value?.id) return null;
  const { key, scopes, models } = found.made;
  return scopes.includes("predict") && (!models || models.includes(model)) ? key : null;
}
