/**
 * Short news that needs no answer: toast("Copied") · toast(text, {kind: "danger"}). <${Toasts} /> stands in the shell, and in
 * each dialog: what is below a dialog is neither seen well nor said.
 */
import { signal } from "@preact/signals";
import { html } from "htm/preact";
import { Icon } from "./icon.js";

const SHOWN_MS = { info: 4_000, danger: 10_000 };
const SHOWN_MAX = 3;

/** @type {import("@preact/signals").Signal<{id: number, text: string, kind: "info" | "danger"}[]>} */
const shown = signal([]);
let last = 0;

/** @param {string} text @param {{kind?: "info" | "danger"}} [options] */
export function toast(text, { kind = "info" } = {}) {
  const id = ++last;
  shown.value = [...shown.value.slice(1 - SHOWN_MAX), { id, text, kind }];
  setTimeout(() => {
    shown.value = shown.value.filter((one) => one.id !== id);
  }, SHOWN_MS[kind]);
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.value.map(
      (one) => html`<div key=${one.id} class=${`toast toast--${one.kind}`}>
        <${Icon} name=${one.kind === "danger" ? "alert" : "check"} />${one.text}
      </div>`,
    )}
  </div>`;
}
