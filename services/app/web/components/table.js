/**
 * Table: <${Table} label="…" columns=${[{key, head, cell: (row) => node, align: "end", class}]} rows=${rows | null}
 *   keyOf=${(row) => id} empty=${node} skeletonRows=${5} rowClass=${(row) => class} />
 * rows=null draws a skeleton of the same height. On a phone each row becomes a card with the heads beside the values
 * (isWide keeps the table and scrolls instead). Long lists need History's own virtual list. The first column names the row: a
 * screen reader says it with each control of the row.
 */
import { html } from "htm/preact";
import { Loading, Skeleton } from "./skeleton.js";

/**
 * @typedef {{key: string, head: any, cell: (row: any) => any, align?: "end", class?: string}} Column
 */

/**
 * @param {{label: string, columns: Column[], rows: any[] | null, keyOf?: (row: any) => string | number, empty?: any,
 *   skeletonRows?: number, isWide?: boolean, rowClass?: (row: any) => string}} props
 */
export function Table({ label, columns, rows, keyOf, empty, skeletonRows = 5, isWide = false, rowClass }) {
  if (rows?.length === 0 && empty) return empty;
  /** @param {Column} column */
  const classOf = (column) => [column.align === "end" && "cell--end", column.class].filter(Boolean).join(" ");
  /** @param {any} row @param {number} place */
  const body = (row, place) => html`<tr role="row" key=${keyOf && row !== null ? keyOf(row) : place} class=${rowClass?.(row) ?? ""}>
    ${columns.map(
      (column, nth) => html`<td
        key=${column.key}
        role=${nth === 0 ? "rowheader" : "cell"}
        class=${classOf(column)}
        data-head=${typeof column.head === "string" ? column.head : ""}
      >
        ${row === null ? html`<${Skeleton} />` : column.cell(row)}
      </td>`,
    )}
  </tr>`;
  // The roles are written out: a browser may take a table that is drawn as cards for none.
  const table = html`<div
    class=${`table-box ${isWide ? "table-box--wide" : ""}`}
    role=${isWide ? "region" : undefined}
    aria-label=${isWide ? label : undefined}
    tabindex=${isWide ? 0 : undefined}
  >
    <table class="table" role="table">
      <caption class="visually-hidden">${label}</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map(
            (column) => html`<th key=${column.key} scope="col" role="columnheader" class=${classOf(column)}>${column.head}</th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">${(rows ?? Array.from({ length: skeletonRows }, () => null)).map(body)}</tbody>
    </table>
  </div>`;
  return rows ? table : html`<${Loading}>${table}</${Loading}>`;
}
