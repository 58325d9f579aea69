/**
 * Skeleton: <${Skeleton} lines=${3} /> where text will stand; <${Skeleton} class="…" /> one block sized by a class.
 * Loading: <${Loading}>skeletons</${Loading}> says "Loading" to screen readers and hides the shapes from them.
 */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";

/** @param {{lines?: number, class?: string}} props */
export function Skeleton({ lines = 0, class: className = "" }) {
  if (!lines) return html`<span class=${`skeleton ${className}`} aria-hidden="true"></span>`;
  return html`<span class=${`skeleton-lines ${className}`} aria-hidden="true">
    ${Array.from({ length: lines }, (_, line) => html`<span key=${line} class="skeleton"></span>`)}
  </span>`;
}

/** @param {{children?: any}} props */
export function Loading({ children }) {
  return html`<div class="loading" aria-busy="true">
    <span class="visually-hidden" role="status">${t("state.loading")}</span>${children}
  </div>`;
}
