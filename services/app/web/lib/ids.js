/**
 * newKey(): a random Idempotency-Key · KEY_KEPT_MS: how long it serves. `crypto.randomUUID` exists only in secure contexts, and a service on a local
 * network is reached by plain http.
 */

/** The service forgets a key after 24 hours; what is sent with it later is another request. */
export const KEY_KEPT_MS = 23 * 3_600_000;

/** @returns {string} 32 hexadecimal digits */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
