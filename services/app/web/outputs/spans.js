/** Spans: marked parts of the text that was sent; start and end count characters, as the models do. */
import { html } from "htm/preact";
import { pieces } from "./pieces.js";

/** @param {{spans: any[] | null, text: string}} props */
export function Spans({ spans, text }) {
  return html`<p class="output-spans">
    ${pieces(text, spans ?? []).map((one, place) =>
      one.label === null
        ? html`<span key=${place}>${one.text}</span>`
        : html`<mark key=${place}>${one.text}<span class="output-spans__label">${one.label}</span></mark>`,
    )}
  </p>`;
}
