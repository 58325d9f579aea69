/**
 * explain(error) → a sentence for people, in their language: by the error's code, else the API's own detail · sentenceOf(error): without an id.
 * wholeFault(text, min, max) → what is wrong with a whole number (lib/numbers.js reads it), by the API's rules · Faults({field: text}): what a form found before it asked · about(error, field) → what is wrong with one of its fields.
 */
import { has, language, refused, t } from "./i18n/index.js";
import { numberOf } from "./lib/numbers.js";
import { ApiError } from "./problem.js";

/** @param {unknown} error @returns {string} with the id to quote, where the service failed */
export function explain(error) {
  const sentence = sentenceOf(error);
  const isFailure = error instanceof ApiError && error.status === 500 && error.requestId;
  return isFailure ? `${sentence} ${t("error.quote")} ${error.requestId}` : sentence;
}

/** @param {unknown} error @returns {string} without any id */
export function sentenceOf(error) {
  if (!(error instanceof ApiError)) return t("error.unknown");
  if (error.code === "insufficient_credits" && error.more.cost !== undefined) {
    return t("error.insufficient_credits", { cost: error.more.cost, balance: error.more.balance });
  }
  const key = `error.${error.code}`;
  if (has(key)) return t(key, { seconds: error.retryAfterS ?? 1 });
  if (error.status >= 500) return t("error.internal_error");
  // An id in the page's own address that is none: nothing is there.
  if (error.errors.length > 0 && error.errors.every(({ location }) => location.startsWith("path."))) return t("error.not_found");
  if (!error.detail) return t("error.unknown");
  const said = refused(error.detail);
  // Words that only the service has are quoted.
  return said === error.detail && language.value !== "en" ? t("error.refused", { detail: said }) : said;
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
  const found = error.errors.find((one) => one.location.endsWith(field));
  return found ? refused(found.message) : null;
}

/** @param {string} text @param {number} min @param {number} max @returns {string | null} what is wrong with a whole number */
export function wholeFault(text, min, max) {
  if (text.trim() === "") return t("fault.required");
  const whole = numberOf(text, true);
  const value = whole ?? numberOf(text, false);
  if (value === null || (whole === null && Math.abs(Number(value)) < 2 ** 53)) return t("fault.integer");
  if (value < min) return t("fault.minimum", { n: min });
  return value > max ? t("fault.maximum", { n: max }) : null;
}
