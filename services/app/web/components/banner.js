/**
 * Banner: <${Banner} kind="info" action=${node}>text</${Banner}>: a state of the page or of a part of it. kind: "info",
 * "warning", "danger" or "success".
 * Danger and warning are announced at once (role alert), the others politely. hasFigures: what it says changes by itself, and is
 * announced once.
 */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon.js";

const ICONS = { info: "info", warning: "alert", danger: "alert", success: "check" };

/** Screen readers have begun to say it by then. */
const ANNOUNCED_MS = 2000;

/**
 * The role of what is announced when it comes and then, where its figures go on changing, no more.
 * @param {"alert" | "status"} role @param {boolean} hasFigures @returns {"alert" | "status" | undefined}
 */
export function useRoleOnce(role, hasFigures) {
  const [isAnnounced, setAnnounced] = useState(false);
  useEffect(() => {
    if (!hasFigures) return undefined;
    const timer = setTimeout(() => setAnnounced(true), ANNOUNCED_MS);
    return () => clearTimeout(timer);
  }, []);
  return isAnnounced ? undefined : role;
}

/** @param {{kind?: "info" | "warning" | "danger" | "success", action?: any, class?: string, hasFigures?: boolean, children?: any}} props */
export function Banner({ kind = "info", action, class: className = "", hasFigures = false, children }) {
  const role = useRoleOnce(kind === "danger" || kind === "warning" ? "alert" : "status", hasFigures);
  return html`<div class=${`banner banner--${kind} ${className}`} role=${role}>
    <${Icon} name=${ICONS[kind]} />
    <div class="grow">${children}</div>
    ${action ? html`<div class="banner__action">${action}</div>` : null}
  </div>`;
}
