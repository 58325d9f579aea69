/** asked(model, input) → a question in a line, for lists: its first text, how large its file is, or that it is no longer kept. */
import { fmt, t } from "../i18n/index.js";
import { excerpt } from "../lib/schema.js";
import { models } from "../service.js";

/** @param {number} bytes @param {string} [name] @returns {string} */
export const fileWords = (bytes, name = t("form.file")) => `${name} · ${fmt.bytes(bytes)}`;

/** @param {string} model @param {any} input @returns {string} */
export function asked(model, input) {
  if (input === null) return t("answer.erased");
  return excerpt(input, models.value?.find((one) => one.name === model)?.input_schema, fileWords);
}
