/**
 * What a person pastes or drops, as rows: a table (CSV, TSV, `;`), JSON lines, or lines that are texts.
 * Reading gives way to the page every few milliseconds, so that 100,000 rows do not freeze it.
 */

import { csvRows, delimiterOf, firstLine, hasText, NO_DELIMITER, parseCsv } from "./csv.js";
import { readJson } from "../lib/json.js";

/**
 * @typedef {{ row: number, cells: string[] }} TableRow A row with its number as a spreadsheet counts, from 1.
 * @typedef {{ row: number, value: unknown }} JsonRow
 * @typedef {{ row: number, code: "not_json" | "not_an_input" | "too_many_cells" }} RowError
 *
 * @typedef {object} TextTable
 * @property {"table"} kind
 * @property {string[]} columns Names, or "1", "2", … where the file has none.
 * @property {boolean} hasHeader
 * @property {string} delimiter
 * @property {TableRow[]} rows
 * @property {number} blank Rows left out because they are empty.
 * @property {RowError[]} errors
 *
 * @typedef {object} JsonLines
 * @property {"jsonl"} kind
 * @property {JsonRow[]} rows
 * @property {number} blank
 * @property {RowError[]} errors
 *
 * @typedef {TextTable | JsonLines} Source
 *
 * @typedef {object} ReadOptions
 * @property {Iterable<string>} [fields] Names of the model's fields.
 * @property {AbortSignal} [signal]
 * @property {(share: number) => void} [onProgress]
 * @property {boolean} [isPasted] Lines are texts, unless they are JSON or a table with a header that is known.
 */

const TEXT_COLUMNS = new Set(
  ("text texts comment comments review reviews message sentence phrase content body " +
    "текст тексты комментарий комментарии отзыв отзывы сообщение фраза предложение")
    .split(" "),
);
const ROWS_AT_ONCE = 256;
const BUSY_MS = 10;
const SAMPLE_CHARS = 65_536;
const SAMPLE_ROWS = 64;
const HEADER_CHARS_MAX = 40;
const SAID = /^("?)sep=(\\t|.)\1[\r\n]+/i; // the first line says what divides, as Excel reads it
const NUMBER = /^[\s\d.,:/#№%+-]*\d[\s\d.,:/#№%+-]*$/;

/**
 * @param {string} text
 * @param {ReadOptions} [options]
 * @returns {Promise<Source>}
 */
export async function readSource(text, options = {}) {
  const clean = text.startsWith("\ufeff") ? text.slice(1) : text;
  const isKnown = knownIn(options);
  if (looksLikeJsonLines(clean, isKnown)) return readJsonLines(clean, options);
  return readTable(clean, isKnown, options);
}

/**
 * Whether a header may name a column so.
 * @param {ReadOptions} options
 * @returns {(name: string) => boolean}
 */
function knownIn({ fields = [] }) {
  const known = new Set([...fields].map((name) => name.toLowerCase()));
  return (name) => known.has(name.toLowerCase()) || TEXT_COLUMNS.has(name.toLowerCase());
}

/**
 * A line in quotes may be JSON or a table's one cell: it is JSON if all that follow are, and it is no column's name.
 * @param {string} text
 * @param {(name: string) => boolean} isKnown
 */
function looksLikeJsonLines(text, isKnown) {
  const first = firstLine(text.trimStart()).trim();
  if (first.startsWith("{")) return isJson(first);
  if (!first.startsWith('"') || SAID.test(text) || isKnown(first.slice(1, -1).trim())) return false;
  const lines = text.slice(0, SAMPLE_CHARS).split(/\r\n|\n|\r/).map((line) => line.trim()).filter(Boolean);
  if (text.length > SAMPLE_CHARS) lines.pop(); // it may have been cut
  return isJson(first) && lines.slice(0, SAMPLE_ROWS).every(isJson);
}

/** @param {string} text */
function isJson(text) {
  try {
    readJson(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} text
 * @param {ReadOptions} options
 * @returns {Promise<JsonLines>}
 */
async function readJsonLines(text, options) {
  /** @type {JsonLines} */
  const found = { kind: "jsonl", rows: [], blank: 0, errors: [] };
  const pace = paced(options, text.length);
  const names = new Set(options.fields);
  let row = 0;
  let at = 0;
  for (const line of linesOf(text)) {
    row += 1;
    at += line.length + 1;
    if (row % ROWS_AT_ONCE === 0) await pace(at);
    if (line.trim() === "") {
      found.blank += 1;
      continue;
    }
    try {
      const value = inputOf(readJson(line), names);
      if (value === undefined) found.errors.push({ row, code: "not_an_input" });
      else found.rows.push({ row, value });
    } catch {
      found.errors.push({ row, code: "not_json" });
    }
  }
  return found;
}

/**
 * An input, `{"input": {…}}` with or without an id, or a text; by the service's rule, for a model may have a field of that name.
 * @param {unknown} value
 * @param {Set<string>} fields
 * @returns {unknown} undefined: it is none of them.
 */
function inputOf(value, fields) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const inner = /** @type {Record<string, unknown>} */ (value).input;
  const names = Object.keys(value);
  const mayWrap = names.every((name) => name === "id" || name === "input") && !names.every((name) => fields.has(name));
  const isWrapped = mayWrap && inner !== null && typeof inner === "object";
  return isWrapped ? inner : value;
}

/**
 * @param {string} text
 * @param {(name: string) => boolean} isKnown
 * @param {ReadOptions} options
 * @returns {Promise<TextTable>}
 */
async function readTable(text, isKnown, options) {
  const said = SAID.exec(text);
  const body = said ? text.slice(said[0].length) : text;
  const delimiter = said?.[2]?.replace("\\t", "\t") ?? delimiterFor(body, isKnown, options.isPasted ?? false);
  const rows = await divide(body, delimiter, options);
  return { ...tableOf(rows, isKnown, said ? 1 : 0), delimiter };
}

/**
 * Commas in lines that a person types belong to the texts, unless a header says that they divide.
 * @param {string} text
 * @param {(name: string) => boolean} isKnown
 * @param {boolean} isPasted
 */
function delimiterFor(text, isKnown, isPasted) {
  const delimiter = delimiterOf(text, isKnown);
  if (!isPasted || delimiter === "\t") return delimiter;
  const first = parseCsv(firstLine(text), delimiter)[0] ?? [];
  return first.some((cell) => isKnown(cell.trim())) ? delimiter : NO_DELIMITER;
}

/**
 * @param {string} text
 * @param {string} delimiter
 * @param {ReadOptions} options
 * @returns {Promise<string[][]>}
 */
async function divide(text, delimiter, options) {
  const pace = paced(options, text.length);
  const rows = [];
  for (const { cells, end } of csvRows(text, delimiter)) {
    rows.push(cells);
    if (rows.length % ROWS_AT_ONCE === 0) await pace(end);
  }
  return rows;
}

/**
 * @param {string[][]} all
 * @param {(name: string) => boolean} isKnown
 * @param {number} skipped Lines above the first row.
 * @returns {Omit<TextTable, "delimiter">}
 */
function tableOf(all, isKnown, skipped) {
  const numbered = all.map((cells, place) => ({ row: place + 1 + skipped, cells }));
  const filled = numbered.filter(({ cells }) => hasText(cells));
  const head = filled[0];
  if (!head) return { kind: "table", columns: [], hasHeader: false, rows: [], blank: all.length, errors: [] };
  const hasHeader = isHeader(filled, isKnown);
  const rows = hasHeader ? filled.slice(1) : filled;
  const width = filled.reduce((most, { cells }) => Math.max(most, cells.length), 1);
  const named = hasHeader ? head.cells.map((cell) => cell.trim()) : [];
  const columns = uniqueNames(Array.from({ length: hasHeader ? Math.max(named.length, 1) : width }, (_, place) => named[place] ?? ""));
  /** @type {RowError[]} */
  const errors = [];
  const fitting = rows.filter(({ row, cells }) => {
    const fits = !hasText(cells.slice(columns.length));
    if (!fits) errors.push({ row, code: "too_many_cells" });
    return fits;
  });
  return { kind: "table", columns, hasHeader, rows: fitting, blank: all.length - filled.length, errors };
}

/**
 * @param {string[]} names
 * @returns {string[]}
 */
function uniqueNames(names) {
  /** @type {Set<string>} */
  const taken = new Set();
  return names.map((name, place) => {
    let unique = name || String(place + 1);
    while (taken.has(unique)) unique = `${unique} (${place + 1})`;
    taken.add(unique);
    return unique;
  });
}

/**
 * Whether the first row names the columns: by a word that we know, or because its cells are unlike those below.
 * @param {TableRow[]} rows
 * @param {(name: string) => boolean} isKnown
 */
function isHeader(rows, isKnown) {
  const names = (rows[0]?.cells ?? []).map((cell) => cell.trim());
  if (names.some(isKnown)) return true;
  if (rows.length < 2 || names.length < 2) return false;
  if (names.some((name) => isNumber(name) || name.length > HEADER_CHARS_MAX)) return false;
  const below = rows.slice(1, SAMPLE_ROWS);
  return names.some((_, place) => {
    const column = below.map(({ cells }) => cells[place] ?? "").filter((cell) => cell !== "");
    return column.length > 0 && column.every(isNumber);
  });
}

/**
 * The column that is the text: by its name, else the one with the longest words.
 * @param {TextTable} table
 * @returns {number}
 */
export function textColumnOf(table) {
  const named = table.columns.findIndex((name) => TEXT_COLUMNS.has(name.toLowerCase()));
  if (table.hasHeader && named >= 0) return named;
  const sample = table.rows.slice(0, SAMPLE_ROWS);
  const lengths = table.columns.map((_, place) =>
    sample.reduce((sum, { cells }) => sum + (isNumber(cells[place] ?? "") ? 0 : (cells[place] ?? "").length), 0),
  );
  return Math.max(0, lengths.indexOf(Math.max(...lengths)));
}

/** @param {string} cell */
function isNumber(cell) {
  return NUMBER.test(cell);
}

/**
 * @param {string} text
 * @returns {Generator<string>}
 */
function* linesOf(text) {
  const end = /\r\n|\r|\n/g;
  let start = 0;
  for (let found = end.exec(text); found; found = end.exec(text)) {
    yield text.slice(start, found.index);
    start = end.lastIndex;
  }
  if (start < text.length) yield text.slice(start);
}

/**
 * Lets the page live between the pieces of a long work.
 * @param {ReadOptions} options
 * @param {number} total
 * @returns {(done: number) => Promise<void>}
 */
function paced({ signal, onProgress }, total) {
  let since = performance.now();
  return async (done) => {
    signal?.throwIfAborted();
    if (performance.now() - since < BUSY_MS) return;
    onProgress?.(total ? Math.min(1, done / total) : 1);
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  };
}
