/**
 * Days as the API counts them, by UTC: lastDays(30) · filled(items, days) · startOfMonth(). Days of a calendar here:
 * dateOf(day) · dayOf(at) · endOf(day). Pure.
 */

const DAY_MS = 86_400_000;

/** @param {number} count @param {Date} [now] @returns {string[]} "2026-11-26", the oldest first, today last */
export function lastDays(count, now = new Date()) {
  return Array.from({ length: count }, (_, nth) => new Date(now.getTime() - (count - 1 - nth) * DAY_MS).toISOString().slice(0, 10));
}

/** @param {Date} [now] @returns {string} */
export function startOfMonth(now = new Date()) {
  return `${now.toISOString().slice(0, 7)}-01`;
}

/**
 * Usage by day without gaps: a day without predictions is a zero.
 * @param {{day: string, predictions: number, succeeded: number, failed: number, credits: number}[]} items @param {string[]} days
 */
export function filled(items, days) {
  const byDay = new Map(items.map((item) => [item.day, item]));
  return days.map((day) => byDay.get(day) ?? { day, predictions: 0, succeeded: 0, failed: 0, credits: 0 });
}

/** @param {string} day @returns {Date} its midnight here: where charts put a day, and what formats show as that day */
export function dateOf(day) {
  return new Date(`${day}T00:00:00`);
}

/** @param {string | Date} at a moment, in ISO 8601 where it is a text @returns {string} its day here, "2026-11-26" */
export function dayOf(at) {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** @param {string} day @returns {string} its last second here, in ISO 8601 */
export function endOf(day) {
  return new Date(`${day}T23:59:59`).toISOString();
}
