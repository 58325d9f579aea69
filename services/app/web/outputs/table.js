/** TableOutput: a list of objects as a table; columns in the order in which they first occur. */
import { html } from "htm/preact";
import { Table } from "../components/table.js";
import { t } from "../i18n/index.js";
import { writeJson } from "../lib/json.js";
import { isNumeric } from "./shape.js";
import { numberWords } from "./words.js";

const ROWS_MAX = 200;
const COLUMNS_MAX = 20;

/** @param {any} value */
function cell(value) {
  if (isNumeric(value)) return html`<span class="num">${numberWords(value)}</span>`;
  if (value === null || value === undefined) return html`<span class="faint">—</span>`;
  return typeof value === "object" ? writeJson(value) : String(value);
}

/** @param {{rows: Record<string, any>[] | null}} props */
export function TableOutput({ rows }) {
  if (!rows) return null;
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, COLUMNS_MAX);
  const columns = names.map((name) => ({ key: name, head: name, cell: (/** @type {any} */ row) => cell(row[name]) }));
  return html`<div class="stack stack--small">
    <${Table} label=${t("predict.answer")} columns=${columns} rows=${rows.slice(0, ROWS_MAX)} isWide />
    ${rows.length > ROWS_MAX
      ? html`<p class="small muted">${t("answer.cut", { n: ROWS_MAX, all: rows.length })}</p>`
      : null}
  </div>`;
}
