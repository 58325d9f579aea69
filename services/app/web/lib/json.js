/**
 * JSON whose whole numbers are kept digit by digit: one that JavaScript would round is a bigint. Pure; tested by node.
 * readJson(text) → value, or throws SyntaxError · writeJson(value, [indent]) → text.
 */

/** Only a text with one of these may hold a number that JSON.parse changes. */
const LONG = /\d{16}|[eE]\+?\d{3}/;
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const WHOLE = /^-?\d+$/;
/** While JSON is read and written, such a number is a string behind a NUL, which the service takes in no text. */
const MARKED = /^\0-?\d+$/;
const WRITTEN = /"\\u0000(-?\d+)"(?!:)/g;

/** @param {string} one a string or a number, as it is written @returns {string} */
function marked(one) {
  if (one.startsWith('"')) return one;
  const value = Number(one);
  if (!Number.isFinite(value)) throw new SyntaxError("A number is beyond what can be read."); // JSON.stringify would make it null
  return WHOLE.test(one) && !Number.isSafeInteger(value) ? `"\\u0000${one}"` : one;
}

/** @param {string} text JSON @returns {string} where it can be done: a string of millions of escapes is more than RegExp has a stack for */
function withMarks(text) {
  try {
    return text.replace(STRING_OR_NUMBER, marked);
  } catch (error) {
    if (error instanceof RangeError) return text;
    throw error;
  }
}

/** @param {string} text @returns {any} */
export function readJson(text) {
  const plain = JSON.parse(text); // first: what is no JSON is not made one below
  if (!LONG.test(text)) return plain;
  const exact = withMarks(text);
  if (exact === text) return plain;
  return JSON.parse(exact, (_, one) => (typeof one === "string" && MARKED.test(one) ? BigInt(one.slice(1)) : one));
}

/** @param {unknown} value @param {number} [indent] @returns {string} */
export function writeJson(value, indent) {
  const text = JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `\0${one}` : one), indent);
  return text?.replace(WRITTEN, "$1");
}
