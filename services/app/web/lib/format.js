/**
 * Numbers, times and sizes as people read them. Pure: the language is an argument. Views use `i18n/index.js`, which
 * binds it to the language of the page.
 */

/** @typedef {"en" | "ru"} Language */

/** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat | Intl.PluralRules>} */
const made = new Map();

/**
 * Formatters are expensive to make and lists need hundreds.
 * @template {Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat | Intl.PluralRules} T
 * @param {string} key @param {() => T} make @returns {T}
 */
function once(key, make) {
  const found = made.get(key);
  if (found) return /** @type {T} */ (found);
  const one = make();
  made.set(key, one);
  return one;
}

/** @param {Language} language */
const locale = (language) => (language === "ru" ? "ru-RU" : "en-GB");

/**
 * As Intl writes whole numbers, without its first formatter, which costs more than anything else in a first view.
 * @param {Language} language @param {number} value
 */
function whole(language, value) {
  const digits = String(Math.abs(value));
  const isGrouped = digits.length > (language === "ru" ? 4 : 3);
  const text = isGrouped ? digits.replace(/\B(?=(\d{3})+$)/g, language === "ru" ? "\u00a0" : ",") : digits;
  return value < 0 ? `\u2212${text}` : text;
}

/** All digits of a number, for a limit that is compared with it. @type {Intl.NumberFormatOptions} */
export const EXACT = { maximumFractionDigits: 20 };
/** Of a number that its fraction digits would make 0. */
const SMALL_DIGITS = 3;
/** Below it zeros are no longer counted at a glance. */
const SMALL = 1e-9;

/**
 * @param {number | bigint} value @param {Intl.NumberFormatOptions} options
 * @returns {Intl.NumberFormatOptions} by which no value other than 0 is written as 0
 */
function seen(value, options) {
  const isShare = options.style === "percent";
  const size = Math.abs(Number(value));
  const digits = (options.maximumFractionDigits ?? (isShare ? 0 : 3)) + (isShare ? 2 : 0);
  if (size === 0 || size >= Number(`5e${-digits - 1}`)) return options; // as it is written: 0.5 * 10 ** -digits may lie beside it
  const { minimumFractionDigits: _, maximumFractionDigits: __, ...others } = options;
  return { ...others, maximumSignificantDigits: SMALL_DIGITS, notation: size * (isShare ? 100 : 1) < SMALL ? "scientific" : "standard" };
}

/**
 * @param {Language} language @param {number | bigint} value @param {Intl.NumberFormatOptions} [options]
 * @returns {string} "10,000", "10 000"; a value that would be rounded to 0 has its first digits
 */
export function number(language, value, options = {}) {
  if (typeof value === "number" && Number.isSafeInteger(value) && Object.keys(options).every((one) => one === "maximumFractionDigits")) {
    return whole(language, value);
  }
  const fitting = seen(value, options);
  const key = `n ${language} ${JSON.stringify(fitting)}`;
  // English money and counts are grouped from four digits on; Russian ones from five, as its typography asks.
  /** @type {Intl.NumberFormatOptions} */
  const all = { useGrouping: language === "ru" ? "min2" : true, ...fitting };
  const format = once(key, () => new Intl.NumberFormat(locale(language), all));
  return format.format(value).replace("-", "\u2212"); // a minus, as wide as a plus
}

/** @param {Language} language @param {number} share 0 to 1 @param {number} [digits] @returns {string} "98%", "98 %" */
export function percent(language, share, digits = 0) {
  return number(language, share, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {Language} language @param {number} n @returns {Intl.LDMLPluralRule} */
export function pluralOf(language, n) {
  return once(`p ${language}`, () => new Intl.PluralRules(locale(language))).select(n);
}

const UNITS = {
  en: { ms: "ms", s: "s", min: "min", h: "h", d: "d", B: "B", kB: "kB", MB: "MB", GB: "GB" },
  ru: { ms: "мс", s: "с", min: "мин", h: "ч", d: "д", B: "Б", kB: "кБ", MB: "МБ", GB: "ГБ" },
};

/**
 * A length of time in its natural unit.
 * @param {Language} language @param {number} ms @returns {string} "41 ms", "1.2 s", "3 min 20 s", "2 h 5 min"
 */
export function duration(language, ms) {
  const unit = UNITS[language];
  /** @param {number} value @param {"ms" | "s" | "min" | "h" | "d"} name @param {number} [digits] */
  const part = (value, name, digits = 0) =>
    `${number(language, value, { maximumFractionDigits: digits })}\u00a0${unit[name]}`;
  if (ms < 0.95) return part(ms, "ms", 1);
  if (ms < 999.5) return part(ms, "ms");
  if (ms < 9_950) return part(ms / 1000, "s", 1);
  const s = Math.round(ms / 1000);
  if (s < 60) return part(s, "s");
  const min = Math.floor(s / 60);
  if (min < 60) return s % 60 ? `${part(min, "min")} ${part(s % 60, "s")}` : part(min, "min");
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 ? `${part(h, "h")} ${part(min % 60, "min")}` : part(h, "h");
  return part(Math.floor(h / 24), "d");
}

/** @param {Language} language @param {number} bytes @returns {string} "1.4 MB" */
export function bytes(language, bytes) {
  const unit = UNITS[language];
  const names = /** @type {const} */ (["B", "kB", "MB", "GB"]);
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = number(language, bytes / 1000 ** step, { maximumFractionDigits: step ? 1 : 0 });
  return `${value}\u00a0${unit[names[step] ?? "B"]}`;
}

/**
 * A moment as short as it can be told without loss: a time today, else a day and a time, with a year that is not this.
 * @param {Language} language @param {Date} at @param {Date} [now] @returns {string}
 */
export function moment(language, at, now = new Date()) {
  const sameDay = at.toDateString() === now.toDateString();
  const sameYear = at.getFullYear() === now.getFullYear();
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { hour: "2-digit", minute: "2-digit" };
  if (!sameDay) Object.assign(options, { day: "numeric", month: "short" });
  if (!sameYear) options.year = "numeric";
  const make = () => new Intl.DateTimeFormat(locale(language), options);
  return once(`m ${language} ${sameDay} ${sameYear}`, make).format(at);
}

/** @param {Language} language @param {Date} at @returns {string} day, time, seconds and zone, for a tooltip */
export function fullMoment(language, at) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { dateStyle: "long", timeStyle: "long" };
  return once(`f ${language}`, () => new Intl.DateTimeFormat(locale(language), options)).format(at);
}

/** @param {Language} language @param {Date} at @returns {string} "26 Nov 2026" */
export function day(language, at) {
  return once(`d ${language}`, () => new Intl.DateTimeFormat(locale(language), { dateStyle: "medium" })).format(at);
}

/** @param {Language} language @param {Date} at @returns {string} "26 Nov" */
export function dayShort(language, at) {
  return once(`ds ${language}`, () => new Intl.DateTimeFormat(locale(language), { day: "numeric", month: "short" })).format(at);
}

/** @param {Language} language @param {Date} at @param {Date} [now] @returns {string} "3 minutes ago", "yesterday" */
export function ago(language, at, now = new Date()) {
  const format = once(`a ${language}`, () => new Intl.RelativeTimeFormat(locale(language), { numeric: "auto" }));
  const s = Math.round((at.getTime() - now.getTime()) / 1000);
  const size = Math.abs(s);
  if (size < 60) return format.format(Math.sign(s) * Math.min(size, 59) || 0, "second");
  if (size < 3600) return format.format(Math.round(s / 60), "minute");
  if (size < 86_400) return format.format(Math.round(s / 3600), "hour");
  return format.format(Math.round(s / 86_400), "day");
}
