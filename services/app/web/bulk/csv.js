/**
 * CSV as programs write it: quotes, doubled quotes, line breaks within quotes, LF, CRLF and CR, any delimiter.
 */

import { writeJson } from "../lib/json.js";

/** For a file of one column: quotes count, and nothing divides. */
export const NO_DELIMITER = "";

const DELIMITERS = [";", "\t", ",", "|"];
const SAMPLE_CHARS = 65_536;
const SAMPLE_ROWS = 64;

/**
 * The rows of a text, one after another, each with the place where it ends. A cell is quoted where it begins with a quote
 * and the quote that closes it ends the cell, with or without spaces around the quotes; every other quote is text.
 * ml_service/domain/csv_rows.py has the same rules.
 * @param {string} text
 * @param {string} delimiter
 * @param {boolean} [keepsSpaces] The spaces before a quoted cell are part of it, as they are of any other cell.
 * @returns {Generator<{ cells: string[], end: number }>}
 */
export function* csvRows(text, delimiter, keepsSpaces = false) {
  const plain = new RegExp(`[^${delimiter.replace(/[\\\]^-]/g, "\\$&")}\\r\\n]*`, "y");
  const spaces = delimiter === " " ? /(?:)/y : / */y;
  let at = 0;
  while (at < text.length) {
    const cells = [];
    for (;;) {
      const found = quotedAt(text, at, delimiter, spaces);
      const end = found?.end ?? endOf(plain, text, at);
      cells.push(found === null ? text.slice(at, end) : (keepsSpaces ? found.spaces : "") + found.cell);
      at = end;
      if (delimiter === "" || text[at] !== delimiter) break;
      at += 1;
    }
    at += text.startsWith("\r\n", at) ? 2 : 1;
    yield { cells, end: Math.min(at, text.length) };
  }
}

/**
 * The quoted cell that begins here, if there is one. What is not closed goes up to the next quote that is not doubled, so
 * that all cells are read in linear time.
 * @param {string} text
 * @param {number} at
 * @param {string} delimiter
 * @param {RegExp} spaces
 */
function quotedAt(text, at, delimiter, spaces) {
  const start = endOf(spaces, text, at) + 1;
  if (text[start - 1] !== '"') return null;
  let close = text.indexOf('"', start);
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
  if (close < 0) return null;
  const end = endOf(spaces, text, close + 1);
  if (end < text.length && ![delimiter, "\r", "\n"].includes(text[end])) return null;
  return { spaces: text.slice(at, start - 1), cell: text.slice(start, close).replaceAll('""', '"'), end };
}

/**
 * Where the match of a sticky pattern ends.
 * @param {RegExp} pattern
 * @param {string} text
 * @param {number} at
 */
function endOf(pattern, text, at) {
  pattern.lastIndex = at;
  pattern.test(text);
  return Math.max(at, pattern.lastIndex);
}

/**
 * All rows of a text.
 * @param {string} text
 * @param {string} delimiter
 * @param {boolean} [keepsSpaces] As `csvRows` takes it.
 * @returns {string[][]}
 */
export function parseCsv(text, delimiter, keepsSpaces) {
  return Array.from(csvRows(text, delimiter, keepsSpaces), ({ cells }) => cells);
}

/**
 * The first rows that are whole in the sample; where even the first is not, as much of it as shows its cells.
 * @param {string} text
 * @param {string} delimiter
 * @param {boolean} [keepsSpaces] As `csvRows` takes it.
 */
function firstRows(text, delimiter, keepsSpaces) {
  /** @type {string[][]} */
  const rows = [];
  for (const { cells, end } of csvRows(text, delimiter, keepsSpaces)) {
    if (rows.length === SAMPLE_ROWS || end > SAMPLE_CHARS) break;
    if (hasText(cells)) rows.push(cells);
  }
  return rows.length > 0 ? rows : parseCsv(text.slice(0, SAMPLE_CHARS), delimiter, keepsSpaces).filter(hasText).slice(0, 1);
}

/**
 * What divides the cells: what makes a header of words that we know, else what gives all rows the same width.
 * @param {string} text
 * @param {(name: string) => boolean} isKnown Whether a header may name a column so.
 * @returns {string}
 */
export function delimiterOf(text, isKnown) {
  const parsed = DELIMITERS.map((one) => {
    const rows = firstRows(text, one);
    return { one, rows, head: rows[0] ?? [] };
  });
  const named = parsed.find(({ head }) => head.length > 1 && head.some((cell) => isKnown(cell.trim())));
  if (named) return named.one;
  const first = firstLine(text).trim().replace(/^"(.*)"$/, "$1");
  if (isKnown(first)) return NO_DELIMITER; // a header of one column: commas below it belong to the texts
  const tables = parsed.filter(
    ({ one, rows, head }) => head.length > 1 && rows.every((row) => row.length === head.length) && !isProse(text, one),
  );
  tables.sort((a, b) => b.head.length - a.head.length);
  return tables[0]?.one ?? NO_DELIMITER;
}

/** @param {string} text @returns {string} */
export function firstLine(text) {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}

/** @param {readonly string[]} row */
export function hasText(row) {
  return row.some((cell) => !isBlank(cell));
}

/**
 * Whether the commas or semicolons are those of sentences: each is followed by a space, before a quote too.
 * @param {string} text
 * @param {string} delimiter
 */
function isProse(text, delimiter) {
  const isSpaced = (/** @type {string[]} */ row) => row.slice(1).every((cell) => cell.startsWith(" "));
  return ",;".includes(delimiter) && firstRows(text, delimiter, true).every(isSpaced);
}

/** @param {string} text */
function isBlank(text) {
  return text === "" || text.trim() === "";
}

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?\d+([.,]\d+)?(e[+-]?\d+)?%?$/i;

/**
 * A cell that starts no formula in a spreadsheet; numbers stay numbers.
 * @param {string} text
 * @returns {string}
 */
export function defused(text) {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

/**
 * A line of CSV, its end included, every cell defused.
 * @param {readonly unknown[]} cells @param {string} [delimiter]
 * @returns {string}
 */
export function csvLine(cells, delimiter = ",") {
  return `${cells.map((cell) => quoted(defused(cellText(cell)))).join(delimiter)}\r\n`;
}

/** @param {unknown} value */
function cellText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? writeJson(value) : String(value);
}

/** @param {string} text */
function quoted(text) {
  return /[",\r\n;\t]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}
