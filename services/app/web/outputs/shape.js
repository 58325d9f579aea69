/**
 * Which renderer fits an answer, and its one-line summary. Pure; tested by node.
 *
 * shapeOf(view, output) → "label" | "spans" | "vector" | "table" | "text" | "image" | "json": the model's hint
 * `x-view` where the output fits it, else what the output's own shape says.
 * headline(output) → {name, label, confidence} | null: the word that an answer says, for lists; its confidence is from 0 to 1.
 * isNothing(output) → whether all that it says are lists without anything in them.
 * besidesOf(output) → [[name, value]]: the plain values that stand beside that word and its scores.
 */

/** @typedef {"label" | "spans" | "vector" | "table" | "text" | "image" | "json"} Shape */

export const LABEL_NAMES = ["label", "class", "category", "language", "sentiment", "answer"];
const SURE_NAMES = ["confidence", "score", "probability"];
const VECTOR_MIN = 8;
const BESIDES_MAX = 12;
const IMAGE = /^data:image\/(png|jpeg|webp|gif);base64,/;

/** @param {any} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
/** @param {any} value */
const isNumbers = (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "number");
/** @param {any} one */
const isSpan = (one) => isObject(one) && Number.isInteger(one.start) && Number.isInteger(one.end);

/** @param {any} value @returns {boolean} whether it may be a probability: a score may be anything else, as the bot knows too */
const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;

/** @param {any} output @returns {string | undefined} the field that says how sure the model is */
const sureNameOf = (output) => SURE_NAMES.find((one) => isShare(output[one]));

/** @param {any} output @returns {{name: string, label: string, confidence: number | null} | null} */
export function headline(output) {
  if (!isObject(output)) return null;
  const name = LABEL_NAMES.find((one) => typeof output[one] === "string" && output[one].length <= 80);
  if (!name) return null;
  const sureName = sureNameOf(output);
  const sure = sureName ? output[sureName] : output.scores?.[output[name]];
  return { name, label: output[name], confidence: isShare(sure) ? sure : null };
}

/** @param {any} value */
const isPlain = (value) => value !== null && typeof value !== "object";

/** @param {any} output @returns {[string, any][]} */
export function besidesOf(output) {
  const head = headline(output);
  const known = [head?.name, sureNameOf(output)];
  const others = Object.entries(output).filter(([name]) => !known.includes(name));
  const drawn = new Set(scoresOf(output).map(({ label }) => label));
  if (head && head.confidence !== null) drawn.add(head.label); // its share stands beside it
  const scores = isObject(output.scores) ? Object.entries(output.scores).filter(([label]) => !drawn.has(label)) : [];
  const rivals = rivalsOf(output).map(({ label }) => label).filter((label) => !drawn.has(label));
  return [...others, ...scores, .../** @type {[string, any][]} */ ([["alternatives", rivals]])]
    .filter(([, value]) => (Array.isArray(value) ? value.length > 0 && value.every(isPlain) : isPlain(value)))
    .slice(0, BESIDES_MAX);
}

/** @param {any} output @returns {{label: string, score: any}[]} its alternatives that have a word, each with what it gives as its score */
function rivalsOf({ alternatives }) {
  return (Array.isArray(alternatives) ? alternatives : []).flatMap((one) => {
    const inner = headline(one);
    const given = SURE_NAMES.map((name) => one?.[name]).find((score) => score !== null && score !== undefined);
    return inner ? [{ label: inner.label, score: inner.confidence ?? given }] : [];
  });
}

/**
 * The scores to draw beside a label, highest first; what has none is left out. None where one of them is no share of a
 * whole, or has no other to be compared with.
 * @param {any} output @returns {{label: string, score: number}[]}
 */
export function scoresOf(output) {
  const head = headline(output);
  const found = isObject(output.scores)
    ? Object.entries(output.scores).map(([label, score]) => ({ label, score }))
    : Array.isArray(output.alternatives)
      ? [{ label: head?.label ?? "", score: head?.confidence }, ...rivalsOf(output)]
      : [];
  const scored = found.filter(({ label, score }) => label && score !== null && score !== undefined);
  return scored.length > 1 && scored.every(({ score }) => isShare(score)) ? scored.sort((a, b) => b.score - a.score) : [];
}

/** @param {any} output @returns {any[] | null} the spans, wherever they stand */
export function spansOf(output) {
  const lists = Array.isArray(output) ? [output] : isObject(output) ? Object.values(output) : [];
  return lists.find((one) => Array.isArray(one) && one.length > 0 && one.every(isSpan)) ?? null;
}

/** @param {any} output @returns {boolean} */
export function isNothing(output) {
  const values = isObject(output) ? Object.values(output) : [];
  return values.length > 0 && values.every((one) => Array.isArray(one) && one.length === 0);
}

/** @param {any} output @returns {number[] | null} */
export function vectorOf(output) {
  const lists = Array.isArray(output) ? [output] : isObject(output) ? Object.values(output) : [];
  return lists.find((one) => isNumbers(one) && one.length >= VECTOR_MIN) ?? null;
}

/** @param {any} output @returns {Record<string, any>[] | null} rows of an answer that is a table */
export function rowsOf(output) {
  const values = isObject(output) ? Object.values(output) : [];
  const rows = Array.isArray(output) ? output : values.length === 1 ? values[0] : null;
  return Array.isArray(rows) && rows.length > 0 && rows.every(isObject) ? rows : null;
}

/** @param {any} output @returns {string | null} */
export function imageOf(output) {
  const values = typeof output === "string" ? [output] : isObject(output) ? Object.values(output) : [];
  return values.find((one) => typeof one === "string" && IMAGE.test(one)) ?? null;
}

/** @param {any} output @returns {string | null} */
export function textOf(output) {
  if (typeof output === "string") return output;
  const values = isObject(output) ? Object.values(output) : [];
  return values.length === 1 && typeof values[0] === "string" ? values[0] : null;
}

/** @param {any} value a bigint is a whole number that is too long for a number of JavaScript */
export const isNumeric = (value) => typeof value === "number" || typeof value === "bigint";

/** The only thing that is said, where it is a number, as a price. @param {any} output @returns {number | bigint | null} */
export function soleNumberOf(output) {
  const values = isObject(output) ? Object.values(output) : [];
  return values.length === 1 && isNumeric(values[0]) ? values[0] : null;
}

/** @type {Record<Exclude<Shape, "json">, (output: any) => unknown>} */
const FITS = {
  image: imageOf,
  spans: spansOf,
  vector: vectorOf,
  label: headline,
  text: textOf,
  table: rowsOf,
};

/** @param {string | null | undefined} view @param {any} output @returns {Shape} */
export function shapeOf(view, output) {
  const order = /** @type {Exclude<Shape, "json">[]} */ (Object.keys(FITS));
  const hinted = order.find((one) => one === view);
  if (view === "json") return "json";
  if (view === "spans" && isNothing(output)) return "spans";
  if (hinted && FITS[hinted](output) !== null) return hinted;
  return order.find((one) => FITS[one](output) !== null) ?? "json";
}
