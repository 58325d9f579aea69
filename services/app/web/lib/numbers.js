/** Numbers as people and spreadsheets write them; the service has the same rule in ml_service/domain/fields.py. */

const GROUPED = /^[+-]?[0-9]{1,3}([ \u00a0\u2009\u202f][0-9]{3})+(?![0-9])/;
const THOUSANDS = /^[+-]?[0-9]{1,3}([,.][0-9]{3})+$/; // 1,000 may be a thousand: it is not taken for one
const WHOLE = /^[+-]?[0-9]+([.,]0*)?$/;
const NUMBER = /^[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]+)?$/i;
/** What the service takes: 64 bits, with a sign or without. */
export const WHOLE_MIN = -(2n ** 63n);
export const WHOLE_MAX = 2n ** 64n - 1n;

/**
 * @param {string} text @param {boolean} isWhole
 * @returns {number | bigint | null} null: it is no number; a bigint: a whole number that JavaScript would round
 */
export function numberOf(text, isWhole) {
  let written = text.trim().replaceAll("−", "-");
  if (isWhole && THOUSANDS.test(written)) return null;
  if (GROUPED.test(written)) written = written.replace(/[ \u00a0\u2009\u202f](?=[0-9]{3})/g, "");
  const isDigits = WHOLE.test(written);
  if (isWhole ? !isDigits : !NUMBER.test(written)) return null;
  const number = Number(written.replace(",", "."));
  if (isDigits && !Number.isSafeInteger(number) && Math.abs(number) <= 2 ** 64) {
    const exact = BigInt(written.replace(/^\+|[.,]0*$/g, ""));
    if (exact >= WHOLE_MIN && exact <= WHOLE_MAX) return exact;
  }
  return (isWhole ? Number.isSafeInteger(number) : Number.isFinite(number)) ? number : null;
}
