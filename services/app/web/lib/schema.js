/**
 * A form out of a JSON Schema. Pure; tested by node.
 *
 * kindOf(schema) → which control fits · initial(schema) → the value that an empty form has · clean(schema, value) → the
 * input to send (empty optional parts left out) · check(schema, value) → [{path, code, limit}] for what can be told
 * without the server · errorsByPath(apiErrors) → {path: message} · labelOf(name, schema) → words for a field ·
 * excerpt(input, schema, fileWords) → an input in a line.
 * A path is the names and places joined by dots, "" for the whole.
 */

import { readJson, writeJson } from "./json.js";
import { numberOf, WHOLE_MAX, WHOLE_MIN } from "./numbers.js";

/**
 * @typedef {"text" | "longtext" | "moment" | "number" | "integer" | "choice" | "checkbox" | "object" | "array" | "file" | "json"} Kind
 * @typedef {{path: string, code: string, limit?: number | bigint}} Fault
 */

const LONG_TEXT = 200;
const DEPTH_MAX = 6;
const EXCERPT_MAX = 300;
const SHORT_FORMATS = ["date", "time", "duration", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"];

/** @param {any} schema @returns {string[]} its types, also where they are written as alternatives without any rules */
export function typesOf({ type, anyOf }) {
  const isBare = (/** @type {any} */ one) => typeof one?.type === "string" && Object.keys(one).length === 1;
  if (type === undefined && Array.isArray(anyOf) && anyOf.every(isBare)) return anyOf.map((one) => one.type);
  return [type ?? []].flat();
}

/** @param {any} schema @returns {string | undefined} its one type, without null; a whole number is a number */
function typeOf(schema) {
  const types = typesOf(schema).filter((one) => one !== "null");
  const wide = types.includes("number") ? types.filter((one) => one !== "integer") : types;
  return wide.length === 1 ? wide[0] : undefined;
}

/** @param {any} schema @returns {boolean} whether nothing is one of the values of a type */
export function mayBeNull(schema) {
  const options = Array.isArray(schema?.anyOf) ? schema.anyOf : [];
  return typesOf(schema ?? {}).includes("null") || options.some((/** @type {any} */ one) => one?.type === "null");
}

/** @param {any} schema of an object @returns {Set<string>} the fields that have to be filled in: an empty one may stand for null */
export function filledIn({ properties, required = [] }) {
  return new Set(required.filter((/** @type {string} */ name) => !mayBeNull(properties[name])));
}

/** @param {any} schema @returns {boolean} whether whatever is typed is one of its values, as a text if as nothing else */
export const takesAnyText = (schema) => typesOf(schema).includes("string");

/** @param {any} schema @returns {any[] | null} the values of a choice; leaving it out stands for null */
export function choicesOf(schema) {
  if (Array.isArray(schema.enum)) {
    return mayBeNull(schema) ? schema.enum.filter((/** @type {any} */ one) => one !== null) : schema.enum;
  }
  if (mayBeNull(schema) && typeOf(schema) === "boolean") return [true, false];
  const options = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(options) && options.length && options.every((one) => one && "const" in one)) {
    return options.map((one) => one.const);
  }
  return null;
}

/** @param {any} schema @param {unknown} value @returns {string} the words of one value of a choice */
export function choiceLabel(schema, value) {
  const options = schema.oneOf ?? schema.anyOf ?? [];
  return options.find((/** @type {any} */ one) => one.const === value)?.title ?? String(value);
}

/** @param {any} schema */
function isFile(schema) {
  return schema.contentEncoding === "base64" || ["binary", "byte", "data-url"].includes(schema.format);
}

/** @param {any} schema @param {number} [depth] @returns {Kind} */
export function kindOf(schema, depth = 0) {
  if (typeof schema !== "object" || schema === null || schema.$ref || depth > DEPTH_MAX) return "json";
  if (choicesOf(schema)) return "choice";
  switch (typeOf(schema)) {
    case "string":
      if (isFile(schema)) return "file";
      if (schema.format === "date-time") return "moment";
      if (SHORT_FORMATS.includes(schema.format)) return "text";
      return schema.maxLength === undefined || schema.maxLength > LONG_TEXT ? "longtext" : "text";
    case "number":
      return "number";
    case "integer":
      return "integer";
    case "boolean":
      return "checkbox";
    case "object":
      return schema.properties && !schema.oneOf && !schema.anyOf ? "object" : "json";
    case "array":
      return schema.items && !Array.isArray(schema.items) && schema.items.type ? "array" : "json";
    default:
      return "json";
  }
}

/** @param {any} schema @param {number} [depth] @param {boolean} [isRequired] @returns {any} */
export function initial(schema, depth = 0, isRequired = true) {
  if (schema?.default !== undefined) return toForm(schema, schema.default, depth);
  switch (kindOf(schema, depth)) {
    case "object": {
      const needed = filledIn(schema);
      const parts = Object.entries(schema.properties);
      return Object.fromEntries(parts.map(([name, one]) => [name, initial(one, depth + 1, needed.has(name))]));
    }
    case "array":
      return Array.from({ length: isRequired ? (schema.minItems ?? 0) : 0 }, () => initial(schema.items, depth + 1, !mayBeNull(schema.items)));
    case "checkbox":
      return false;
    default:
      return "";
  }
}

/**
 * A value of the schema as the form holds it: numbers and JSON as text, choices as the place of their value.
 * @param {any} schema @param {any} value @param {number} [depth] @returns {any}
 */
export function toForm(schema, value, depth = 0) {
  switch (kindOf(schema, depth)) {
    case "object": {
      const needed = filledIn(schema);
      return Object.fromEntries(
        Object.entries(schema.properties).map(([name, one]) => [
          name,
          value?.[name] === undefined ? initial(one, depth + 1, needed.has(name)) : toForm(one, value[name], depth + 1),
        ]),
      );
    }
    case "array":
      return (Array.isArray(value) ? value : []).map((one) => toForm(schema.items, one, depth + 1));
    case "checkbox":
      return Boolean(value);
    case "choice": {
      const place = (choicesOf(schema) ?? []).findIndex((one) => writeJson(one) === writeJson(value));
      return place < 0 ? "" : String(place);
    }
    case "json":
      if (value === null && mayBeNull(schema)) return "";
      return takesAnyText(schema) && typeof value === "string" ? value : writeJson(value, 2);
    case "moment":
      return localOf(value);
    default:
      return value === null || value === undefined ? "" : String(value);
  }
}

/** @param {unknown} at "2026-01-31T12:00:00Z" @returns {string} "2026-01-31T15:00", on the clock of this device */
function localOf(at) {
  const ms = typeof at === "string" ? Date.parse(at) : NaN;
  if (Number.isNaN(ms)) return "";
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().replace(/(:00)?\.\d+Z$/, "");
}

/** @param {any} value @returns {boolean} whether a form's value says nothing */
function isEmpty(value) {
  if (value === "" || value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return false;
}

/**
 * @param {any} schema @param {any} value as the form holds it @param {boolean} [isRequired] @param {number} [depth]
 * @returns {any} undefined: left out
 */
export function clean(schema, value, isRequired = true, depth = 0) {
  const kind = kindOf(schema, depth);
  if (kind === "text" || kind === "longtext") return value === "" && !isRequired ? undefined : value;
  if (kind === "checkbox") return value;
  if (kind === "object") return cleanObject(schema, value, isRequired, depth);
  if (isEmpty(value)) return kind === "array" && isRequired ? [] : undefined;
  if (kind === "array") {
    return value.map((/** @type {any} */ one) => clean(schema.items, one, !mayBeNull(schema.items), depth + 1) ?? null);
  }
  if (kind === "number" || kind === "integer") return numberOf(String(value), kind === "integer") ?? value;
  if (kind === "choice") return (choicesOf(schema) ?? [])[Number(value)];
  if (kind === "json") return parsed(value, schema);
  if (kind === "moment") return Number.isNaN(Date.parse(value)) ? value : new Date(value).toISOString();
  return value;
}

/** @param {any} schema @param {any} value @param {boolean} isRequired @param {number} depth */
function cleanObject(schema, value, isRequired, depth) {
  const needed = filledIn(schema);
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, one] of Object.entries(schema.properties)) {
    const part = clean(one, value?.[name], needed.has(name), depth + 1);
    if (part !== undefined) found[name] = part;
    else if (mayBeNull(one) && (schema.required?.includes(name) || (one.default ?? null) !== null)) found[name] = null;
  }
  const isUntouched = JSON.stringify(value) === JSON.stringify(initial(schema, depth));
  return isRequired || !isUntouched ? found : undefined;
}

/** @param {string} text @param {any} schema @returns {any} the text itself where it is no JSON, or no value of its types */
function parsed(text, schema) {
  try {
    const value = readJson(text);
    return takesAnyText(schema) && !typesOf(schema).some((type) => isOf(type, value, text)) ? text : value;
  } catch {
    return text;
  }
}

/** @param {string} type @param {any} value @param {string} text as which it is written: a long number would be rounded */
function isOf(type, value, text) {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return value !== null && typeof value === "object" && !Array.isArray(value);
  if (type !== "integer" && type !== "number") return typeof value === type;
  if (typeof value === "bigint") return value >= WHOLE_MIN && value <= WHOLE_MAX;
  return typeof value === "number" && (type === "number" || Number.isInteger(value)) && String(value) === text.trim();
}

/** @param {string} path @param {string | number} name */
export const joined = (path, name) => (path ? `${path}.${name}` : String(name));

/** @param {any} schema @param {any} value as the form holds it @returns {Fault[]} */
export function check(schema, value) {
  /** @type {Fault[]} */
  const faults = [];
  visit(schema, value, "", true, 0, faults);
  return faults;
}

/**
 * @param {any} schema @param {any} value @param {string} path @param {boolean} isRequired @param {number} depth
 * @param {Fault[]} faults
 */
function visit(schema, value, path, isRequired, depth, faults) {
  const kind = kindOf(schema, depth);
  if (kind === "object") {
    if (clean(schema, value, isRequired, depth) === undefined) return;
    const needed = filledIn(schema);
    for (const [name, one] of Object.entries(schema.properties)) {
      visit(one, value?.[name], joined(path, name), needed.has(name), depth + 1, faults);
    }
    return;
  }
  if (kind === "array") {
    const { items, minItems = 0, maxItems = Infinity } = schema;
    const size = value?.length ?? 0;
    if (size < minItems && (isRequired || size)) faults.push({ path, code: "minItems", limit: minItems });
    if (size > maxItems) faults.push({ path, code: "maxItems", limit: maxItems });
    for (const [place, one] of (value ?? []).entries()) {
      visit(items, one, joined(path, place), !mayBeNull(items), depth + 1, faults);
    }
    return;
  }
  if (kind === "checkbox") return;
  const isText = kind === "text" || kind === "longtext";
  if (isEmpty(value) || (isText && isRequired && value.trim() === "")) {
    const mayBeEmpty = isText && !schema.minLength && !schema.format;
    if (isRequired && !mayBeEmpty) faults.push({ path, code: isText && !schema.format ? "text" : "required" });
    return;
  }
  const fault = faultOf(kind, schema, value);
  if (fault) faults.push({ path, ...fault });
}

/** @param {Kind} kind @param {any} schema @param {string} value @returns {{code: string, limit?: number | bigint} | null} */
function faultOf(kind, schema, value) {
  if (kind === "text" || kind === "longtext") {
    const length = [...value].length;
    if (length < (schema.minLength ?? 0)) return { code: "minLength", limit: schema.minLength };
    if (length > (schema.maxLength ?? Infinity)) return { code: "maxLength", limit: schema.maxLength };
  }
  if (kind === "number" || kind === "integer") {
    const number = numberOf(String(value), kind === "integer");
    if (number === null) return notThisNumber(Number(numberOf(String(value), false) ?? NaN));
    if (number < (schema.minimum ?? -Infinity)) return { code: "minimum", limit: schema.minimum };
    if (number > (schema.maximum ?? Infinity)) return { code: "maximum", limit: schema.maximum };
  }
  if (kind === "json" && typeof value === "string" && !takesAnyText(schema)) {
    try {
      readJson(value);
    } catch {
      return { code: "json" };
    }
  }
  return null;
}

/** @param {number} number that is not a whole one of 64 bits; NaN: it is none at all @returns {{code: string, limit?: bigint}} */
function notThisNumber(number) {
  if (Number.isNaN(number)) return { code: "number" };
  if (Math.abs(number) < 2 ** 63) return { code: "integer" };
  return number < 0 ? { code: "minimum", limit: WHOLE_MIN } : { code: "maximum", limit: WHOLE_MAX };
}

/**
 * The API's `errors` by the path of the field; what belongs to no field stands under "".
 * @param {{location: string, message: string}[]} errors @returns {Record<string, string>}
 */
export function errorsByPath(errors) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const { location, message } of errors) {
    const parts = location.split(".");
    if (parts[0] === "body") parts.shift();
    const path = parts[0] === "input" ? parts.slice(1).join(".") : parts[0] === "text" ? "text" : "";
    found[path] ??= message;
  }
  return found;
}

/** @param {string} name @param {any} schema @returns {string} "customer_id" → "Customer id" */
export function labelOf(name, schema) {
  if (schema?.title) return schema.title;
  const words = name.replace(/[_-]+/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").trim().toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {string} value base64, or a data: URL @returns {number} how many bytes it holds */
export function fileBytes(value) {
  const code = value.slice(value.indexOf(",") + 1).replace(/=+$/, "");
  return Math.floor((code.length * 3) / 4);
}

/**
 * The first text of an input, for a list.
 * @param {any} input @param {any} [schema] of the input, so that a file is told from a text
 * @param {(bytes: number) => string} [fileWords] what stands for a file
 * @returns {string}
 */
export function excerpt(input, schema, fileWords = String) {
  if (input === null || input === undefined) return "";
  if (typeof input !== "object") return String(input);
  const texts = Object.entries(input).filter(([, one]) => typeof one === "string" && one !== "");
  const text = texts.find(([name]) => kindOf(schema?.properties?.[name], 1) !== "file");
  if (text) return text[1].slice(0, EXCERPT_MAX);
  return texts[0] ? fileWords(fileBytes(texts[0][1])) : writeJson(input).slice(0, EXCERPT_MAX);
}
