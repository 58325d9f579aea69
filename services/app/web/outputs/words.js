/**
 * labelWords(name, label) → a label in the person's language where it is a known word, or the name of a language ·
 * numberWords(value) → a number that a model answers.
 */
import { fmt, has, language, t } from "../i18n/index.js";

/** @param {string} name the field that holds it @param {string} label */
export function labelWords(name, label) {
  if (has(`label.${label}`)) return t(`label.${label}`);
  if (name !== "language" || label === "und") return label;
  try {
    const words = new Intl.DisplayNames(language.value, { type: "language", fallback: "none" }).of(label);
    return words ? words.charAt(0).toUpperCase() + words.slice(1) : label;
  } catch {
    return label;
  }
}

const FRACTION_DIGITS = 6;

/** @param {number | bigint} value @returns {string} */
export const numberWords = (value) => fmt.number(value, { maximumFractionDigits: FRACTION_DIGITS });
