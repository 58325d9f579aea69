/**
 * A job's answers as CSV in the order of the input: resultLines(job, answered) yields text, piece by piece.
 */
import { csvLine } from "./csv.js";

/** @typedef {import("./types.js").Job} Job */
/** @typedef {import("./types.js").AnsweredRows} AnsweredRows */

const MARK = "\ufeff"; // spreadsheets take the file for UTF-8 by it
const DEPTH_MAX = 2;

/**
 * @param {Job} job @param {() => AsyncIterable<AnsweredRows>} pieces Read twice: for the columns, then for the rows.
 * @returns {AsyncGenerator<string>}
 */
export async function* resultLines(job, pieces) {
  /** @type {Set<string>} */
  const inputs = new Set();
  /** @type {Set<string>} */
  const outputs = new Set();
  for await (const piece of pieces()) {
    if (job.columns.length === 0) for (const { input } of piece.items) for (const name of Object.keys(input)) inputs.add(name);
    for (const answer of piece.answers) for (const name of flat(answer?.output).keys()) outputs.add(name);
  }
  const given = job.columns.length > 0 ? job.columns : [...inputs];
  const names = [...given, "status", ...outputs, "error", "credits"];
  yield MARK + csvLine(unique(names), job.delimiter);
  for await (const piece of pieces()) {
    yield piece.items
      .map(({ cells, input }, place) => {
        const answer = piece.answers[place];
        const found = flat(answer?.output);
        const first = job.columns.length > 0 ? given.map((_, column) => cells[column]) : given.map((name) => input[name]);
        const last = [answer?.status ?? "", ...[...outputs].map((name) => found.get(name)), answer?.error, answer?.charged ?? 0];
        return csvLine([...first, ...last], job.delimiter);
      })
      .join("");
  }
}

/**
 * An answer's values by name; what is nested gets a dot. Lists stay JSON.
 * @param {unknown} value @param {string} [prefix] @param {number} [depth]
 * @returns {Map<string, unknown>}
 */
function flat(value, prefix = "", depth = 0) {
  /** @type {Map<string, unknown>} */
  const found = new Map();
  if (value === null || typeof value !== "object") return found;
  for (const [name, one] of Object.entries(value)) {
    const isNested = one !== null && typeof one === "object" && !Array.isArray(one) && depth + 1 < DEPTH_MAX;
    if (isNested) for (const [inner, leaf] of flat(one, `${prefix}${name}.`, depth + 1)) found.set(inner, leaf);
    else found.set(`${prefix}${name}`, one);
  }
  return found;
}

/** A column of the file may be named like one of the answer. @param {string[]} names */
function unique(names) {
  /** @type {Set<string>} */
  const taken = new Set();
  return names.map((name) => {
    let one = name;
    for (let nth = 2; taken.has(one); nth += 1) one = `${name} ${nth}`;
    taken.add(one);
    return one;
  });
}
