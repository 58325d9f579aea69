/** Section: <${Section} title="…" text="…" actions=${node}>…</${Section}>: a card with a heading. */
import { html } from "htm/preact";
import { useId } from "preact/hooks";

/** @param {{title: any, text?: any, actions?: any, isFlush?: boolean, children?: any}} props isFlush: no padding around a table */
export function Section({ title, text, actions, isFlush = false, children }) {
  const id = useId();
  return html`<section class="card" aria-labelledby=${id}>
    <div class="card__head"><h2 id=${id}>${title}</h2>${actions ? html`<div class="row">${actions}</div>` : null}</div>
    <div class=${isFlush ? "" : "card__body stack"}>
      ${text ? html`<p class=${`muted ${isFlush ? "card__note" : ""}`}>${text}</p>` : null}
      ${children}
    </div>
  </section>`;
}
