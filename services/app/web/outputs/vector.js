/** Vector: its length and norm, its numbers as thin bars around zero, and the first of them in digits. */
import { html } from "htm/preact";
import { fmt, t } from "../i18n/index.js";

const FIRST = 8;
const HEIGHT = 48;
const FOUR_DIGITS = { minimumFractionDigits: 4, maximumFractionDigits: 4 };

/** @param {{values: number[] | null}} props */
export function Vector({ values }) {
  if (!values) return null;
  const most = values.reduce((found, one) => Math.max(found, Math.abs(one)), 0) || 1;
  const norm = Math.sqrt(values.reduce((sum, one) => sum + one * one, 0));
  const line = values
    .map((one, place) => `M${place + 0.5} ${HEIGHT / 2}V${(HEIGHT / 2 - (one / most) * (HEIGHT / 2 - 1)).toFixed(2)}`)
    .join("");
  const length = fmt.number(norm, { maximumFractionDigits: 3 });
  const digits = values.slice(0, FIRST).map((one) => fmt.number(one, FOUR_DIGITS));
  return html`<div class="stack stack--small">
    <p>
      <b class="num">${t("vector.size", { n: values.length })}</b> <span class="muted num">${t("vector.norm", { norm: length })}</span>
    </p>
    <svg
      class="output-vector"
      viewBox=${`0 0 ${values.length} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label=${t("vector.picture")}
    >
      <path d=${line} />
    </svg>
    <p class="mono small muted output-vector__digits">${digits.join("  ")}${values.length > FIRST ? " …" : ""}</p>
  </div>`;
}
