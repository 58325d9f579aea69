/**
 * Money: <${Money} value=${3} /> "3 credits"; isBare: the number alone; isSigned: "+3" or "−3". Tabular numerals.
 */
import { html } from "htm/preact";
import { fmt, t } from "../i18n/index.js";

/** @param {{value: number, isBare?: boolean, isSigned?: boolean}} props */
export function Money({ value, isBare = false, isSigned = false }) {
  const number = fmt.number(value, isSigned ? { signDisplay: "exceptZero" } : {});
  return html`<span class="num">${isBare || isSigned ? number : t("unit.credits", { n: value })}</span>`;
}
