/**
 * Rows as a model's inputs: by the columns that are named like its fields, or one column as its text.
 */

import { readJson } from "../lib/json.js";
import { numberOf } from "../lib/numbers.js";
import { typesOf } from "../lib/schema.js";
import { textColumnOf } from "./source.js";

/**
 * @typedef {import("./source.js").Source} Source
 * @typedef {import("./source.js").TextTable} TextTable
 * @typedef {{ type?: string | string[], enum?: unknown[], anyOf?: unknown[] }} InputField
 * @typedef {{ properties?: Record<string, InputField>, required?: string[] }} InputSchema
 * @typedef {{ row: number, cells: string[], input: Record<string, unknown> }} Item What goes to the model; `cells` go into the result.
 *
 * @typedef {object} Plan
 * @property {"fields" | "text" | "json" | "impossible"} by
 * @property {string[]} missing Fields that no column names, where it is impossible.
 * @property {string | undefined} [field] The model's field for the text.
 * @property {number} [column] The column that is the text.
 */

/** @typedef {{columns: string[], place: number}} ColumnChoice The column that a person chose among these. */

/**
 * The chosen column, where the source has the columns among which it was chosen.
 * @param {ColumnChoice | null} choice
 * @param {Source} source
 * @returns {number | undefined}
 */
export function chosenIn(choice, source) {
  const isSame = choice !== null && source.kind === "table" && JSON.stringify(source.columns) === JSON.stringify(choice.columns);
  return isSame ? choice.place : undefined;
}

/**
 * How a source becomes inputs.
 * @param {Source} source
 * @param {InputSchema} schema
 * @param {number} [column] Take this one as the text.
 * @returns {Plan}
 */
export function planOf(source, schema, column) {
  const field = textFieldOf(schema);
  if (source.kind === "jsonl") {
    const needsField = source.rows.some(({ value }) => typeof value === "string");
    return needsField && field === undefined ? impossible(schema) : { by: "json", missing: [], field };
  }
  if (column !== undefined && field !== undefined) return { by: "text", missing: [], field, column };
  const known = fieldsByColumn(source, schema).filter((name) => name !== undefined);
  const missing = (schema.required ?? []).filter((name) => !known.includes(name));
  const isOnlyText = field !== undefined && known.length === 1 && known[0] === field;
  if (source.hasHeader && known.length > 0 && missing.length === 0 && !isOnlyText) return { by: "fields", missing: [] };
  if (field === undefined) return impossible(schema, missing);
  return { by: "text", missing: [], field, column: textColumnOf(source) };
}

/**
 * @param {InputSchema} schema
 * @param {string[]} [missing]
 * @returns {Plan}
 */
function impossible(schema, missing) {
  return { by: "impossible", missing: missing?.length ? missing : Object.keys(schema.properties ?? {}) };
}

/**
 * The one field that a text fills; undefined where a text is not enough.
 * @param {InputSchema} schema
 * @returns {string | undefined}
 */
export function textFieldOf(schema) {
  const properties = schema.properties ?? {};
  const strings = Object.keys(properties).filter((name) => hasType(properties[name], "string") && !properties[name]?.enum);
  const name = strings.includes("text") ? "text" : strings[0];
  const others = (schema.required ?? []).filter((one) => one !== name);
  return others.length === 0 ? name : undefined;
}

/**
 * @param {InputField | undefined} field
 * @param {string} type
 */
function hasType(field, type) {
  return field !== undefined && typesOf(field).includes(type);
}

/**
 * @param {TextTable} table
 * @param {InputSchema} schema
 * @returns {(string | undefined)[]} The field of each column.
 */
function fieldsByColumn(table, schema) {
  const names = new Map(Object.keys(schema.properties ?? {}).map((name) => [name.toLowerCase(), name]));
  return table.columns.map((column) => names.get(column.toLowerCase()));
}

/**
 * The inputs, in the order of the rows. Rows without a text are left out.
 * @param {Source} source
 * @param {InputSchema} schema
 * @param {Plan} plan
 * @returns {Item[]}
 */
export function itemsOf(source, schema, plan) {
  if (plan.by === "impossible") return [];
  if (source.kind === "jsonl") {
    return source.rows.map(({ row, value }) => {
      const input = typeof value === "string" ? { [plan.field ?? "text"]: value } : /** @type {Record<string, unknown>} */ (value);
      return { row, cells: [], input };
    });
  }
  if (plan.by === "fields") return itemsByFields(source, schema);
  /** @type {Item[]} */
  const items = [];
  for (const { row, cells } of source.rows) {
    const text = (cells[plan.column ?? 0] ?? "").trim();
    if (text !== "") items.push({ row, cells, input: { [plan.field ?? "text"]: text } });
  }
  return items;
}

/**
 * @param {TextTable} table
 * @param {InputSchema} schema
 * @returns {Item[]}
 */
function itemsByFields(table, schema) {
  const fields = fieldsByColumn(table, schema);
  const properties = schema.properties ?? {};
  const required = new Set(schema.required ?? []);
  return table.rows.map(({ row, cells }) => {
    /** @type {Record<string, unknown>} */
    const input = {};
    fields.forEach((name, place) => {
      const cell = cells[place] ?? "";
      if (name === undefined || (cell.trim() === "" && !required.has(name))) return;
      input[name] = valueOf(cell, properties[name]);
    });
    return { row, cells, input };
  });
}

const WORDS = new Map(
  /** @type {[string, boolean][]} */ ([
    ["true", true], ["yes", true], ["да", true], ["1", true],
    ["false", false], ["no", false], ["нет", false], ["0", false],
  ]),
);

/**
 * A cell as its field's type; where it is none, the cell itself: the schema says what is wrong with it.
 * @param {string} cell
 * @param {InputField | undefined} field
 * @returns {unknown}
 */
export function valueOf(cell, field) {
  const text = cell.trim();
  if (field?.enum) return field.enum.find((one) => String(one).toLowerCase() === text.toLowerCase()) ?? text;
  if (hasType(field, "integer") || hasType(field, "number")) {
    return numberOf(text, !hasType(field, "number")) ?? text;
  }
  if (hasType(field, "boolean")) return WORDS.get(text.toLowerCase()) ?? text;
  if (hasType(field, "array") || hasType(field, "object")) {
    try {
      return readJson(text);
    } catch {
      return text;
    }
  }
  return cell;
}
