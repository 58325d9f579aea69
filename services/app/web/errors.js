/**
 * explain(error) → a sentence for people, in their language: by the error's code, else the API's own detail.
 * wholeFault(text, min, max) → what is wrong with a whole number, by the API's rules · Faults({field: text}): what a form found before it asked · about(error, field) → what is wrong with one of its fields.
 */
import { fmt, has, t } from "./i18n/index.js";
import { ApiError } from "./problem.js";

/** @param {unknown} error @returns {string} */
export function explain(error) {
  if (!(error instanceof ApiError)) return t("error.unknown");
  if (error.code === "insufficient_credits" && error.more.cost !== undefined) {
    return t("error.insufficient_credits", { cost: error.more.cost, balance: error.more.balance });
  }
  const key = `error.${error.code}`;
  if (has(key)) return t(key, { seconds: error.retryAfterS ?? 1 });
  if (error.status >= 500) return t("error.internal_error");
  return error.detail || t("error.unknown");
}

export class Faults extends Error {
  /** @param {Record<string, string>} found */
  constructor(found) {
    super("The form is not filled in.");
    this.found = found;
  }

  /** Throws where a field has a fault. @param {Record<string, string | null>} found */
  static check(found) {
    const wrong = Object.entries(found).filter(([, text]) => text);
    if (wrong.length > 0) throw new Faults(/** @type {Record<string, string>} */ (Object.fromEntries(wrong)));
  }
}

/**
 * What is wrong with one field: as the form found, or as the API said.
 * @param {unknown} error @param {string} field @returns {string | null}
 */
export function about(error, field) {
  if (error instanceof Faults) return error.found[field] ?? null;
  if (!(error instanceof ApiError)) return null;
  return error.errors.find((one) => one.location.endsWith(field))?.message ?? null;
}

/** @param {string} text @param {number} min @param {number} max @returns {string | null} what is wrong with a whole number */
export function wholeFault(text, min, max) {
  if (text.trim() === "") return t("fault.required");
  const value = Number(text);
  if (!Number.isInteger(value)) return t("fault.integer");
  if (value < min) return t("fault.minimum", { n: fmt.number(min) });
  return value > max ? t("fault.maximum", { n: fmt.number(max) }) : null;
}
