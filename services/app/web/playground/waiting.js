/** Waiting: <${Waiting} text>buttons</${Waiting}>: a question is on its way. */
import { html } from "htm/preact";
import { Skeleton } from "../components/skeleton.js";

/** @param {{text: string, children?: any}} props */
export function Waiting({ text, children }) {
  return html`<div class="stack">
    <div class="answer__head"><p class="answer__state">${text}</p>${children}</div>
    <${Skeleton} lines=${4} />
  </div>`;
}
