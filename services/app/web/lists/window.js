/**
 * Which rows of a long list are drawn: windowOf(view), topOf(view, row), rebased(base, first). Pure.
 *
 * Browsers draw no element higher than some ten million pixels, so a very long list begins at row `base`, which moves
 * along in large steps.
 */

const OVERSCAN_ROWS = 8;
const STEP_ROWS = 50_000;

/**
 * @typedef {object} View
 * @property {number} base The first row that has a place.
 * @property {number} count
 * @property {number} rowHeight
 * @property {number | null} openAt The row that is open, and higher by `extra`.
 * @property {number} extra
 * @property {number} scroll Pixels of the list above the window's upper edge; negative where the list begins below it.
 * @property {number} viewport
 *
 * @typedef {{ first: number, last: number, seenFirst: number, seenLast: number, top: number, height: number }} Window
 *   rows first to last are drawn, seenFirst to seenLast are in view; `top` stands above the first one.
 */

/** Where a row stands in the list. @param {View} view @param {number} row @returns {number} */
export function topOf({ base, rowHeight, openAt, extra }, row) {
  return (row - base) * rowHeight + (openAt !== null && openAt >= base && openAt < row ? extra : 0);
}

/** @param {View} view @returns {Window} */
export function windowOf(view) {
  const { base, count, rowHeight, openAt, extra, scroll, viewport } = view;
  const height = Math.max(0, count - base) * rowHeight + (openAt !== null && openAt >= base ? extra : 0);
  /** @param {number} y */
  const rowAt = (y) => {
    const plain = base + Math.floor(y / rowHeight);
    if (openAt === null || openAt < base || plain <= openAt) return plain;
    return Math.max(openAt, base + Math.floor((y - extra) / rowHeight));
  };
  /** @param {number} row */
  const bounded = (row) => Math.min(Math.max(row, base), Math.max(base, count - 1));
  const seenFirst = bounded(rowAt(Math.max(0, scroll)));
  const seenLast = bounded(rowAt(Math.max(0, scroll + viewport)));
  const first = bounded(seenFirst - OVERSCAN_ROWS);
  return { first, last: bounded(seenLast + OVERSCAN_ROWS), seenFirst, seenLast, top: topOf(view, first), height };
}

/**
 * Where the list begins, given the first row in view.
 * @param {number} base @param {number} first
 * @returns {number}
 */
export function rebased(base, first) {
  if (first - base > 2 * STEP_ROWS) return first - STEP_ROWS;
  if (base > 0 && first - base < STEP_ROWS / 2) return Math.max(0, first - STEP_ROWS);
  return base;
}
