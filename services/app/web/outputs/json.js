/** Json: any answer: few plain fields as a list of names and values (Fields), everything else as JSON text. */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { writeJson } from "../lib/json.js";
import { fileBytes, kindOf, labelOf } from "../lib/schema.js";
import { fileWords } from "./asked.js";
import { isNumeric } from "./shape.js";
import { numberWords } from "./words.js";

const FIELDS_MAX = 12;
const TEXT_MAX = 100_000;

const LISTED_MAX = 20;

/** @param {any} one */
const isPlain = (one) => one === null || typeof one !== "object";

/** @param {any} value @returns {[string, any][] | null} */
function plainFields(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const fields = Object.entries(value);
  const areShort = fields.every(([, one]) => isPlain(one) || (Array.isArray(one) && one.length <= LISTED_MAX && one.every(isPlain)));
  return areShort && fields.length > 0 && fields.length <= FIELDS_MAX ? fields : null;
}

/** @param {any} value @returns {string} */
function words(value) {
  if (Array.isArray(value)) return value.map(words).join(", ") || "—";
  if (isNumeric(value)) return numberWords(value);
  if (typeof value === "boolean") return t(value ? "answer.yes" : "answer.no");
  return value === null ? "—" : String(value);
}

/** @param {{value: any, schema?: any}} props */
export function Json({ value, schema }) {
  const fields = plainFields(value);
  /** @param {string} name @param {any} one */
  const shown = (name, one) => (one && kindOf(schema?.properties?.[name], 1) === "file" ? fileWords(fileBytes(one)) : one);
  return fields ? html`<${Fields} fields=${fields.map(([name, one]) => [labelOf(name, {}), shown(name, one)])} />` : html`<${JsonText} value=${value} />`;
}

/** @param {{fields: [string, any][]}} props by what each is called */
export function Fields({ fields }) {
  return html`<dl class="output-fields">
    ${fields.map(
      ([name, one]) => html`<div key=${name}><dt>${name}</dt><dd class="num">${words(one)}</dd></div>`,
    )}
  </dl>`;
}

/** @param {{value: any}} props */
export function JsonText({ value }) {
  const text = writeJson(value, 2) ?? "";
  return html`<pre class="output-json" tabindex="0"><code>${text.slice(0, TEXT_MAX)}</code></pre>`;
}
