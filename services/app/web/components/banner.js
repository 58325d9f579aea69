/**
 * Banner: <${Banner} kind="info" action=${node}>text</${Banner}>: a state of the page or of a part of it. kind: "info",
 * "warning", "danger" or "success".
 * Danger and warning are announced at once (role alert), the others politely.
 */
import { html } from "htm/preact";
import { Icon } from "./icon.js";

const ICONS = { info: "info", warning: "alert", danger: "alert", success: "check" };

/** @param {{kind?: "info" | "warning" | "danger" | "success", action?: any, class?: string, children?: any}} props */
export function Banner({ kind = "info", action, class: className = "", children }) {
  const isUrgent = kind === "danger" || kind === "warning";
  return html`<div class=${`banner banner--${kind} ${className}`} role=${isUrgent ? "alert" : "status"}>
    <${Icon} name=${ICONS[kind]} />
    <div class="grow">${children}</div>
    ${action ? html`<div class="banner__action">${action}</div>` : null}
  </div>`;
}
