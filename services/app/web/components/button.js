/**
 * Button: <${Button} kind="primary" icon="plus" isBusy=${…} onClick=${…}>Label</${Button}>
 * kind: "primary" (one in a view), "secondary" (default), "quiet", "danger". size: "small". href makes it a link.
 * isBusy keeps it in place and unclickable. `label` names a button that shows only an icon. Other props go to the element.
 */
import { html } from "htm/preact";
import { Icon } from "./icon.js";

/**
 * @param {{kind?: "primary" | "secondary" | "quiet" | "danger", size?: "small", icon?: string, label?: string,
 *   isBusy?: boolean, disabled?: boolean, href?: string, type?: "button" | "submit", class?: string, children?: any,
 *   [name: string]: any}} props
 */
export function Button({
  kind = "secondary",
  size,
  icon,
  label,
  isBusy = false,
  disabled = false,
  href,
  type = "button",
  class: className = "",
  children,
  ...rest
}) {
  const classes = ["button", `button--${kind}`, size && `button--${size}`, !children && "button--icon", className];
  const name = classes.filter(Boolean).join(" ");
  const inner = html`${icon ? html`<${Icon} name=${icon} />` : null}${children}`;
  if (href !== undefined) {
    return html`<a class=${name} href=${href} aria-label=${label} title=${label} ...${rest}>${inner}</a>`;
  }
  return html`<button
    class=${name}
    type=${type}
    disabled=${disabled}
    aria-disabled=${isBusy ? "true" : undefined}
    aria-busy=${isBusy ? "true" : undefined}
    aria-label=${label}
    title=${label}
    ...${rest}
    onClick=${isBusy ? (/** @type {Event} */ event) => event.preventDefault() : rest.onClick}
  >
    ${inner}
  </button>`;
}
