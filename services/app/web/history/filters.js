/**
 * What of the history is wanted, in the page's address and as the API asks for it:
 * filtersOf(search) · searchOf(filters) · queryOf(filters) · passes(filters, prediction).
 */

export const STATES = /** @type {const} */ (["queued", "processing", "succeeded", "failed", "canceled", "expired"]);
export const SOURCES = /** @type {const} */ (["api", "web", "telegram", "cli"]);

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MODEL = /^[A-Za-z0-9._-]{1,100}$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * @typedef {object} Filters
 * @property {string[]} states
 * @property {string} model
 * @property {string} source
 * @property {string} from The first day, by the clock of this device; empty: from the beginning.
 * @property {string} to The last day.
 */

/** @type {Filters} */
export const NONE = Object.freeze({ states: [], model: "", source: "", from: "", to: "" });

/**
 * What an address cannot mean is left out.
 * @param {string | URLSearchParams} search @returns {Filters}
 */
export function filtersOf(search) {
  const found = new URLSearchParams(search);
  /** @param {string} name @param {(value: string) => boolean} isGood */
  const one = (name, isGood) => [found.get(name) ?? ""].filter(isGood)[0] ?? "";
  const wanted = new Set(found.getAll("status"));
  return {
    states: STATES.filter((state) => wanted.has(state)),
    model: one("model", (value) => MODEL.test(value)),
    source: one("source", (value) => SOURCES.some((source) => source === value)),
    from: one("from", isDay),
    to: one("to", isDay),
  };
}

/** @param {Filters} filters @returns {string} "" or "?status=failed&model=…" */
export function searchOf({ states, model, source, from, to }) {
  const search = new URLSearchParams();
  for (const state of states) search.append("status", state);
  for (const [name, value] of Object.entries({ model, source, from, to })) if (value) search.set(name, value);
  const text = search.toString();
  return text && `?${text}`;
}

/** @param {Filters} filters @returns {boolean} */
export function isFiltered(filters) {
  return searchOf(filters) !== "";
}

/** @param {Filters} filters @returns {Record<string, string | string[] | undefined>} for GET /predictions */
export function queryOf({ states, model, source, from, to }) {
  return {
    status: states.length > 0 ? states : undefined,
    model: model || undefined,
    source: source || undefined,
    from: from ? startOf(from).toISOString() : undefined,
    to: to ? startOf(to, 1).toISOString() : undefined,
  };
}

/**
 * Whether a prediction that has just come belongs to the list.
 * @param {Filters} filters
 * @param {{ status: string, model: string, source: string, created_at: string }} prediction
 */
export function passes({ states, model, source, from, to }, prediction) {
  const at = new Date(prediction.created_at);
  return (
    (states.length === 0 || states.includes(prediction.status)) &&
    (!model || model === prediction.model) &&
    (!source || source === prediction.source) &&
    (!from || at >= startOf(from)) &&
    (!to || at < startOf(to, 1))
  );
}

/** @param {string} text @returns {string | null} an id that was pasted, alone or within an address */
export function idIn(text) {
  const found = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.exec(text);
  return found && ID.test(found[0]) ? found[0].toLowerCase() : null;
}

/** @param {string} value */
function isDay(value) {
  return DAY.test(value) && !Number.isNaN(startOf(value).getTime());
}

/** Midnight here, which in some zones is not 24 hours after the last one. @param {string} day @param {number} [later] days */
function startOf(day, later = 0) {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  const start = new Date(year, month - 1, date + later);
  return later === 0 && start.getDate() !== date ? new Date(NaN) : start;
}
