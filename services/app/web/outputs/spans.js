/** Spans: marked parts of the text that was sent; start and end count characters, as the models do. */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { cutSpans } from "./cut_spans.js";
import { labelWords } from "./words.js";

/** @param {{spans: any[] | null, text: string}} props */
export function Spans({ spans, text }) {
  if (!spans) {
    return html`<p class="output-spans">${text}</p>
      <p class="muted">${t("answer.nothing")}</p>`;
  }
  return html`<p class="output-spans">
    ${cutSpans(text, spans).map((one, place) =>
      one.label === null
        ? html`<span key=${place}>${one.text}</span>`
        : html`<mark key=${place}>${one.text}<span class="output-spans__label">${labelWords("type", one.label)}</span></mark>`,
    )}
  </p>`;
}
