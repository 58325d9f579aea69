/**
 * Menu: <${Menu} label="Account menu" trigger=${node}>${(close) => items}</${Menu}>: a button that discloses a panel of
 * links and buttons; arrows, Home and End walk through them, Esc and a click elsewhere close it. Items are <a class="menu__item"> or <button class="menu__item">.
 */
import { html } from "htm/preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

/** From one item to another; switches have arrows of their own. @param {KeyboardEvent} event @param {HTMLElement} box */
function walk(event, box) {
  const now = document.activeElement;
  if (now instanceof HTMLInputElement) return;
  const items = /** @type {HTMLElement[]} */ ([...box.querySelectorAll(".menu__panel :is(a, button)")]).filter((one) => one.offsetParent);
  const place = items.findIndex((one) => one === now);
  const next = { ArrowDown: place + 1, ArrowUp: place < 0 ? -1 : place - 1, Home: 0, End: -1 }[event.key];
  if (next === undefined) return;
  event.preventDefault(); // the page would scroll under the panel
  items.at(next % items.length)?.focus();
}

/** @param {{label: string, trigger: any, class?: string, children: (close: () => void) => any}} props */
export function Menu({ label, trigger, class: className = "", children }) {
  const id = useId();
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  const choose = () => {
    // The item goes with its panel; a dialog that it opens gives the focus back to the menu's button.
    if (box.current?.contains(document.activeElement)) box.current.querySelector("button")?.focus();
    close();
  };
  // Before the next frame: Escape belongs to a dialog as soon as an item has opened it.
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    /** @param {Event} event */
    const onOutside = (event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) close();
    };
    /** @param {KeyboardEvent} event */
    const onKey = (event) => {
      if (box.current?.contains(document.activeElement)) walk(event, box.current);
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
    <div class="menu__panel" id=${id} hidden=${!isOpen}>${isOpen ? children(choose) : null}</div>
  </div>`;
}
