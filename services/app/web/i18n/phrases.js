/**
 * A phrase of a dictionary with its values filled in. Pure; tested by node.
 *
 * A dictionary maps a key to a string, or to its plural forms ({one, few, many, other}, chosen by the parameter `n`).
 * In a string `{name}` is a parameter (numbers are formatted) and `{cost:credits}` is the phrase `unit.credits` for the
 * number `cost`, so that one sentence may hold several plurals: "This costs {cost:credits} and you have {balance}."
 * `{n:time}` are n seconds in their natural unit: "12 s", "2 min 5 s". `{n:exact}` is n with all its digits.
 */
import { duration, EXACT, number, pluralOf } from "../lib/format.js";

/** @typedef {import("../lib/format.js").Language} Language */
/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Phrase */
/** @typedef {Record<string, Phrase>} Dictionary */
/** @typedef {Record<string, string | number | bigint | null | undefined>} Params */

/**
 * @param {Language} language @param {Dictionary} dictionary @param {string} key @param {Params} [params]
 * @returns {string} the key itself where there is no such phrase, so that the lack is seen
 */
export function phrase(language, dictionary, key, params = {}) {
  const found = dictionary[key];
  if (found === undefined) return key;
  const text = typeof found === "string" ? found : plural(language, found, params.n);
  return text.replace(/\{(\w+)(?::(\w+))?\}/g, (_, name, unit) => {
    const value = params[name];
    if (unit === "time" && typeof value === "number") return duration(language, value * 1000);
    if (unit && unit !== "time" && unit !== "exact") return phrase(language, dictionary, `unit.${unit}`, { n: Number(value) });
    const isNumber = typeof value === "number" || typeof value === "bigint";
    return isNumber ? number(language, value, unit === "exact" ? EXACT : {}) : String(value ?? "");
  });
}

/** @param {Language} language @param {Partial<Record<Intl.LDMLPluralRule, string>>} forms @param {unknown} n */
function plural(language, forms, n) {
  return forms[pluralOf(language, Number(n))] ?? forms.other ?? forms.many ?? "";
}
