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
  const known = [headline(output)?.name, sureNameOf(output)];
  const others = Object.entries(output).filter(([name]) => !known.includes(name));
  const scores = isObject(output.scores) && scoresOf(output).length === 0 ? Object.entries(output.scores) : [];
  return [...others, ...scores]
    .filter(([, value]) => (Array.isArray(value) ? value.length > 0 && value.every(isPlain) : isPlain(value)))
    .slice(0, BESIDES_MAX);
}

/**
 * The scores beside a label, highest first; none where one of them is no share of a whole.
 * @param {any} output @returns {{label: string, score: number}[]}
 */
export function scoresOf(output) {
  const { scores, alternatives } = output;
  /** @type {{label: string, score: any}[]} */
  let found = [];
  if (isObject(scores)) found = Object.entries(scores).map(([label, score]) => ({ label, score }));
  else if (Array.isArray(alternatives)) {
    const head = headline(output);
    found = alternatives.filter(isObject).map((one) => {
      const inner = headline(one);
      return { label: inner?.label ?? "", score: inner?.confidence };
    });
    if (head && head.confidence !== null) found.unshift({ label: head.label, score: head.confidence });
  }
  return found.every(({ score }) => isShare(score)) ? found.filter(({ label }) => label).sort((a, b) => b.score - a.score) : [];
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
