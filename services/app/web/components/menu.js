/**
 * Menu: <${Menu} label="Account menu" trigger=${node}>${(close) => items}</${Menu}>: a button that discloses a panel of
 * links and buttons; Esc and a click elsewhere close it. Items are <a class="menu__item"> or <button class="menu__item">.
 */
import { html } from "htm/preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

/** @param {{label: string, trigger: any, class?: string, children: (close: () => void) => any}} props */
export function Menu({ label, trigger, class: className = "", children }) {
  const id = useId();
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  useEffect(() => {
    if (!isOpen) return undefined;
    /** @param {Event} event */
    const onOutside = (event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) close();
    };
    /** @param {KeyboardEvent} event */
    const onKey = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      close();
      box.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", onOutside);
    document.addEventListener("focusin", onOutside);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onOutside);
      document.removeEventListener("focusin", onOutside);
      document.removeEventListener("keydown", onKey);
    };
  }, [isOpen]);
  return html`<div class="menu" ref=${box}>
    <button
      class=${`button button--quiet ${className}`}
      type="button"
      aria-label=${label}
      aria-expanded=${isOpen ? "true" : "false"}
      aria-controls=${id}
      onClick=${() => setOpen(!isOpen)}
    >
      ${trigger}
    </button>
    <div class="menu__panel" id=${id} hidden=${!isOpen}>${isOpen ? children(close) : null}</div>
  </div>`;
}
