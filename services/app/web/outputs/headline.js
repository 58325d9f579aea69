/** Headline: <${Headline} output />: an answer's one word, for a list. */
import { html } from "htm/preact";
import { fmt, t } from "../i18n/index.js";
import { headline, textOf, vectorOf } from "./shape.js";
import { labelWords } from "./words.js";

/** @param {{output: any}} props */
export function Headline({ output }) {
  const found = headline(output);
  if (!found) {
    const vector = vectorOf(output);
    const words = vector ? t("vector.size", { n: vector.length }) : (textOf(output) ?? t("answer.ready"));
    return html`<span class="muted">${words}</span>`;
  }
  return html`<span>${labelWords(found.name, found.label)}${
    found.confidence === null ? null : html` <span class="num faint">${fmt.percent(found.confidence)}</span>`
  }</span>`;
}
