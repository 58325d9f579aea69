/**
 * CSV as programs write it: quotes, doubled quotes, line breaks within quotes, LF, CRLF and CR, any delimiter.
 */

import { writeJson } from "../lib/json.js";

/** For a file of one column: quotes count, and nothing divides. */
export const NO_DELIMITER = "";

const DELIMITERS = [";", "\t", ",", "|"];
const SAMPLE_CHARS = 65_536;
const SAMPLE_ROWS = 64;
const INDENT_MAX = 32;

/** Divides text into rows. Text may come in pieces. */
export class CsvParser {
  /**
   * @param {string} delimiter
   * @param {boolean} [isQuoted] False: quotes are taken as they stand.
   */
  constructor(delimiter, isQuoted = true) {
    this.delimiter = delimiter;
    this.isQuoted = isQuoted;
    /** @type {string[][]} */
    this.rows = [];
    /** @type {string[]} */
    this.row = [];
    this.cell = "";
    this.inQuotes = false;
    this.afterQuote = false; // a quote within quotes: the next character says whether it closes them
    this.cellWasQuoted = false;
    this.afterCr = false;
  }

  /** @param {string} text */
  push(text) {
    let start = 0; // of what is not yet in the cell
    for (let place = 0; place < text.length; place += 1) {
      const letter = text[place];
      if (this.inQuotes && !this.afterQuote) {
        if (letter !== '"') continue;
        this.cell += text.slice(start, place);
        start = place + 1;
        this.afterQuote = true;
        continue;
      }
      if (this.afterQuote) {
        this.afterQuote = false;
        if (letter === '"') {
          start = place; // the second of two stands for one
          continue;
        }
        this.inQuotes = false;
      }
      if (this.afterCr) {
        this.afterCr = false;
        if (letter === "\n") {
          start = place + 1;
          continue;
        }
      }
      if (letter === this.delimiter || letter === "\n" || letter === "\r") {
        this.cell += text.slice(start, place);
        start = place + 1;
        this.#endCell();
        if (letter !== this.delimiter) this.#endRow();
        this.afterCr = letter === "\r";
      } else if (letter === '"' && this.isQuoted && !this.cellWasQuoted && this.#isAtStart(text, start, place)) {
        this.cell = "";
        start = place + 1;
        this.inQuotes = true;
        this.cellWasQuoted = true;
      }
    }
    this.cell += text.slice(start);
  }

  /** @returns {boolean} Whether the quotes were closed as they should be. */
  end() {
    const isClosed = !this.inQuotes || this.afterQuote;
    if (this.cell !== "" || this.row.length > 0 || this.cellWasQuoted) {
      this.#endCell();
      this.#endRow();
    }
    return isClosed;
  }

  /**
   * Quotes within a cell are text. Spaces before the first quote may be many in no table that is meant.
   * @param {string} text
   * @param {number} start
   * @param {number} place
   */
  #isAtStart(text, start, place) {
    return this.cell.length + place - start < INDENT_MAX && isBlank(this.cell + text.slice(start, place));
  }

  #endCell() {
    this.row.push(this.cell);
    this.cell = "";
    this.inQuotes = false;
    this.afterQuote = false;
    this.cellWasQuoted = false;
  }

  #endRow() {
    this.rows.push(this.row);
    this.row = [];
  }
}

/**
 * All rows of a text that is in memory.
 * @param {string} text
 * @param {string} delimiter
 * @returns {string[][]}
 */
export function parseCsv(text, delimiter) {
  const parser = new CsvParser(delimiter);
  parser.push(text);
  if (parser.end()) return parser.rows;
  const plain = new CsvParser(delimiter, false);
  plain.push(text);
  plain.end();
  return plain.rows;
}

/**
 * What divides the cells: what makes a header of words that we know, else what gives all rows the same width.
 * @param {string} text
 * @param {(name: string) => boolean} isKnown Whether a header may name a column so.
 * @returns {string}
 */
export function delimiterOf(text, isKnown) {
  let sample = text.slice(0, SAMPLE_CHARS);
  if (text.length > SAMPLE_CHARS) sample = sample.slice(0, Math.max(sample.lastIndexOf("\n"), sample.lastIndexOf("\r"), 1));
  const parsed = DELIMITERS.map((one) => {
    const rows = parseCsv(sample, one).filter(hasText).slice(0, SAMPLE_ROWS);
    return { one, rows, head: rows[0] ?? [] };
  });
  const named = parsed.find(({ head }) => head.length > 1 && head.some((cell) => isKnown(cell.trim())));
  if (named) return named.one;
  const first = firstLine(sample).trim().replace(/^"(.*)"$/, "$1");
  if (isKnown(first)) return NO_DELIMITER; // a header of one column: commas below it belong to the texts
  const tables = parsed.filter(
    ({ one, rows, head }) => head.length > 1 && rows.every((row) => row.length === head.length) && !isProse(rows, one),
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
 * Whether the commas or semicolons are those of sentences: each is followed by a space.
 * @param {string[][]} rows
 * @param {string} delimiter
 */
function isProse(rows, delimiter) {
  return ",;".includes(delimiter) && rows.every((row) => row.slice(1).every((cell) => cell.startsWith(" ")));
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
