/**
 * Stats: <${Stats} items=${[{label, value, hint, tone}]} />: a few numbers that matter, in a row. value null draws a skeleton;
 * tone: "danger" | "warning".
 */
import { html } from "htm/preact";
import { Skeleton } from "./skeleton.js";

/** @param {{items: {label: string, value: any, hint?: any, tone?: string | undefined}[]}} props */
export function Stats({ items }) {
  return html`<dl class="stats">
    ${items.map(
      ({ label, value, hint, tone }) => html`<div key=${label} class=${`stats__one card ${tone ? `stats__one--${tone}` : ""}`}>
        <dt class="stats__label">${label}</dt>
        <dd class="stats__value num">${value ?? html`<${Skeleton} />`}</dd>
        ${hint ? html`<dd class="stats__hint">${hint}</dd>` : null}
      </div>`,
    )}
  </dl>`;
}
