/** Pieces of a job: cut(jobId, items) → rows as they are kept on this device, some at a time. */

/** @typedef {import("./types.js").Piece} Piece */
/** @typedef {import("./types.js").Item} Item */

const ROWS = 1000;

/** @param {string} jobId @param {Item[]} items @returns {Piece[]} */
export function cut(jobId, items) {
  return Array.from({ length: Math.ceil(items.length / ROWS) }, (_, number) => ({
    jobId, number, items: items.slice(number * ROWS, (number + 1) * ROWS),
  }));
}
