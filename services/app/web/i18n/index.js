/**
 * The language of the page and everything that depends on it.
 *
 * t("predict.button", {n}) → the phrase; reading it inside a component subscribes the component to the language.
 * told(text) → what a bundled model says of its input or calls a part of its answer, translated · refused(text) → what the
 * service says is wrong, translated · aboutOf(model) → what a model says it does, in the
 * page's language where its author wrote that.
 * language (signal "en" | "ru") · setLanguage("ru") loads and switches · fmt.{number, percent, duration, bytes, moment,
 * fullMoment, day, ago} are lib/format.js in the page's language.
 * loadWords(names) adds a view's phrases; routes.js names them.
 * Phrases live in en/*.js and ru/*.js, by view; a test holds that both have the same keys and parameters.
 */
import { batch, signal } from "@preact/signals";
import * as format from "../lib/format.js";
import { read, write } from "../lib/storage.js";
import { phrase } from "./phrases.js";

/** @typedef {import("./phrases.js").Params} Params */
/** @typedef {import("./phrases.js").Dictionary} Dictionary */
/** @typedef {import("../lib/format.js").Language} Language */

/** @type {import("@preact/signals").Signal<Language>} */
export const language = signal("en");
/** @type {import("@preact/signals").Signal<Dictionary>} */
const dictionary = signal({});
/** @type {import("@preact/signals").Signal<Record<string, string>>} */
const modelTexts = signal({});
/** @type {import("@preact/signals").Signal<Record<string, string>>} */
const refusals = signal({});
/** The files of phrases that are in use; every view needs the first three. */
const loaded = new Set(["common", "auth", "predict"]);

/** @param {string} key @param {Params} [params] @returns {string} */
export function t(key, params) {
  return phrase(language.value, dictionary.value, key, params);
}

/** @param {string} key @returns {boolean} whether there is such a phrase */
export function has(key) {
  return key in dictionary.value;
}

/** The words of a model about itself, in the person's language where they are known. @param {string | undefined} text */
export function told(text) {
  if (text === undefined) return undefined;
  return Object.hasOwn(modelTexts.value, text) ? modelTexts.value[text] : text;
}

/** What the service says is wrong, in the person's language where its words are known. @param {string} text */
export function refused(text) {
  const numbers = text.match(/\d+/g) ?? [];
  const found = refusals.value[text.replace(/\d+/g, "#")];
  return found ? found.replace(/#/g, () => numbers.shift() ?? "") : text;
}

/** @param {{description: string, descriptions: Record<string, string>}} model */
export const aboutOf = ({ description, descriptions }) => descriptions[language.value] ?? description;

/** What the person chose on this device, else what the browser prefers. @returns {Language} */
export function preferred() {
  const chosen = read("language") ?? navigator.language;
  return chosen.startsWith("ru") ? "ru" : "en";
}

/** @param {Language} next @param {Iterable<string>} names @returns {Promise<Dictionary>} */
async function readParts(next, names) {
  const parts = await Promise.all([...names].map((name) => import(`./${next}/${name}.js`)));
  return Object.assign({}, ...parts.map((part) => part.default));
}

/**
 * Load the phrases of a view; setLanguage loads them again in its language.
 * @param {string[]} names files of en/ and ru/
 */
export async function loadWords(names) {
  const missing = names.filter((name) => !loaded.has(name));
  if (!missing.length) return;
  const now = language.peek();
  const found = await readParts(now, missing);
  if (now === language.peek()) {
    missing.forEach((name) => loaded.add(name));
    dictionary.value = { ...dictionary.peek(), ...found };
  } else {
    await loadWords(names);
  }
}

/**
 * Load a language and switch the page to it.
 * @param {Language} next @param {{remember?: boolean}} [options] remember: also next time, on this device
 */
export async function setLanguage(next, { remember = false } = {}) {
  const [texts, wrong] = next === "ru" ? await Promise.all([import("./ru/models.js"), import("./ru/refusals.js")]) : [];
  /** @type {Dictionary} */
  let words = {};
  for (let size = 0; size !== loaded.size; ) {
    size = loaded.size; // another view's phrases may come in the meantime
    words = await readParts(next, loaded);
  }
  batch(() => {
    dictionary.value = words;
    modelTexts.value = texts?.default ?? {};
    refusals.value = wrong?.default ?? {};
    language.value = next;
  });
  document.documentElement.lang = next;
  if (remember) write("language", next);
}

export const fmt = {
  /** @param {number | bigint} value @param {Intl.NumberFormatOptions} [options] */
  number: (value, options) => format.number(language.value, value, options),
  /** @param {number} share @param {number} [digits] */
  percent: (share, digits) => format.percent(language.value, share, digits),
  /** @param {number} ms */
  duration: (ms) => format.duration(language.value, ms),
  /** @param {number} size */
  bytes: (size) => format.bytes(language.value, size),
  /** @param {string | Date} at */
  moment: (at) => format.moment(language.value, new Date(at)),
  /** @param {string | Date} at */
  fullMoment: (at) => format.fullMoment(language.value, new Date(at)),
  /** @param {string | Date} at */
  day: (at) => format.day(language.value, new Date(at)),
  /** @param {string | Date} at */
  dayShort: (at) => format.dayShort(language.value, new Date(at)),
  /** @param {string | Date} at */
  ago: (at) => format.ago(language.value, new Date(at)),
};
