/**
 * newKey(): a random Idempotency-Key. `crypto.randomUUID` exists only in secure contexts, and a service on a local
 * network is reached by plain http.
 */

/** @returns {string} 32 hexadecimal digits */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
