/** How long a job will take, before it is started: as fast as the last one here, else as the service quotes its first rows. */
import { writeJson } from "../lib/json.js";

/** @typedef {import("./inputs.js").Item} Item */

const SAMPLE_ROWS = 500;
/** Of JSON: far below what one request may hold. */
const SAMPLE_CHARACTERS = 200_000;

/** @param {Item[]} items @returns {unknown[]} inputs of the first rows */
export function sampleOf(items) {
  const inputs = items.slice(0, SAMPLE_ROWS).map(({ input }) => input);
  let characters = 0;
  const end = inputs.findIndex((input) => (characters += writeJson(input).length) > SAMPLE_CHARACTERS);
  return end < 0 ? inputs : inputs.slice(0, Math.max(1, end));
}

/**
 * @param {number} rows @param {number} quotedRows @param {number | null} quotedS null: the service cannot tell
 * @returns {number | null}
 */
export const secondsOf = (rows, quotedRows, quotedS) => (quotedS === null ? null : (quotedS * rows) / quotedRows);
