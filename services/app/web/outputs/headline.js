/** Headline: <${Headline} output />: an answer's one word, for a list. */
import { html } from "htm/preact";
import { fmt, t } from "../i18n/index.js";
import { headline, isNothing, soleNumberOf, spansOf, textOf, vectorOf } from "./shape.js";
import { labelWords, numberWords } from "./words.js";

/** @param {{output: any}} props */
export function Headline({ output }) {
  const found = headline(output);
  if (!found) {
    const number = soleNumberOf(output);
    if (number !== null) return html`<span class="num">${numberWords(number)}</span>`;
    const vector = vectorOf(output);
    const named = [...new Set(spansOf(output)?.map((one) => one.text))].join(", ");
    const other = textOf(output) || named || t(isNothing(output) ? "answer.nothing" : "answer.ready");
    const words = vector ? t("vector.size", { n: vector.length }) : other;
    return html`<span class="muted">${words}</span>`;
  }
  return html`<span>${labelWords(found.name, found.label)}${
    found.confidence === null ? null : html` <span class="num faint">${fmt.percent(found.confidence)}</span>`
  }</span>`;
}
