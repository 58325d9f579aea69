/** Numbers as people and spreadsheets write them; the service has the same rule in ml_service/domain/fields.py. */

const GROUPED = /^[+-]?[0-9]{1,3}([ \u00a0\u2009\u202f][0-9]{3})+(?![0-9])/;
const THOUSANDS = /^[+-]?[0-9]{1,3}([,.][0-9]{3})+$/; // 1,000 may be a thousand: it is not taken for one
const WHOLE = /^[+-]?[0-9]+([.,]0*)?$/;
const NUMBER = /^[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]+)?$/i;

/**
 * @param {string} text @param {boolean} isWhole
 * @returns {number | null} null: it is no number
 */
export function numberOf(text, isWhole) {
  let written = text.trim().replaceAll("−", "-");
  if (isWhole && THOUSANDS.test(written)) return null;
  if (GROUPED.test(written)) written = written.replace(/[ \u00a0\u2009\u202f](?=[0-9]{3})/g, "");
  if (!(isWhole ? WHOLE : NUMBER).test(written)) return null;
  const number = Number(written.replace(",", "."));
  return (isWhole ? Math.abs(number) <= 2 ** 53 : Number.isFinite(number)) ? number : null;
}
