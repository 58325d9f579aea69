/**
 * Dialog: <${Dialog} title="…" onClose=${…} footer=${…}>…</${Dialog}>: modal, in the browser's top layer (a real <dialog>:
 * focus stays inside and returns, Esc closes). describedBy: the id of what it is about. canClose=${false} takes Esc and the cross away. size: "large".
 * Confirm: <${Confirm} title text action="Delete" kind="danger" onConfirm=${async…} onClose=${…} />; an error of onConfirm
 * is shown inside: beside its field where children is a function (error) => fields and `fields` names them. dismiss: what the
 * other button says where "Cancel" would be taken for the action.
 */
import { html } from "htm/preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { about, explain, Faults } from "../errors.js";
import { t } from "../i18n/index.js";
import { Banner } from "./banner.js";
import { Button } from "./button.js";
import { unfinishedIn } from "./field.js";
import { Toasts } from "./toast.js";

/** @param {{title: any, onClose: () => void, canClose?: boolean, size?: "large", describedBy?: string, footer?: any, children?: any}} props */
export function Dialog({ title, onClose, canClose = true, size, describedBy, footer, children }) {
  const id = useId();
  const element = /** @type {{current: HTMLDialogElement | null}} */ (useRef(null));
  useLayoutEffect(() => {
    const dialog = element.current;
    const opener = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog?.showModal();
    return () => {
      dialog?.close();
      opener?.focus(); // a dialog that has left the document no longer gives the focus back
    };
  }, []);
  /** @param {Event} event */
  const onCancel = (event) => {
    event.preventDefault();
    if (canClose) onClose();
  };
  /** @param {MouseEvent} event */
  const onBackdrop = (event) => {
    if (canClose && event.target === element.current) onClose();
  };
  return html`<dialog
    ref=${element}
    class=${`dialog ${size ? `dialog--${size}` : ""}`}
    aria-labelledby=${id}
    aria-describedby=${describedBy}
    onCancel=${onCancel}
    onMouseDown=${onBackdrop}
  >
    <div class="dialog__box">
      <header class="dialog__head">
        <h2 id=${id}>${title}</h2>
        ${canClose
          ? html`<${Button} kind="quiet" size="small" icon="cross" label=${t("action.close")} onClick=${onClose} />`
          : null}
      </header>
      <div class="dialog__body">${children}</div>
      ${footer ? html`<footer class="dialog__foot">${footer}</footer>` : null}
    </div>
    <${Toasts} />
  </dialog>`;
}

/**
 * @param {{title: any, text: any, action: any, kind?: "primary" | "danger", onConfirm: () => Promise<unknown> | unknown,
 *   onClose: () => void, fields?: string[], dismiss?: string, children?: any}} props
 */
export function Confirm({ title, text, action, kind = "primary", onConfirm, onClose, fields = [], dismiss, children }) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const form = /** @type {{current: HTMLFormElement | null}} */ (useRef(null));
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      const unfinished = form.current ? unfinishedIn(form.current) : [];
      Faults.check(Object.fromEntries(unfinished.map((name) => [name, t("fault.unfinished")])));
      await onConfirm();
      onClose();
    } catch (found) {
      setError(found);
      setBusy(false);
    }
  };
  const id = useId();
  useEffect(() => {
    // The browser would begin at the cross, where Enter closes what was to be filled in.
    const first = form.current?.querySelector("input, select, textarea");
    if (first instanceof HTMLElement) first.focus();
  }, []);
  useEffect(() => {
    const wrong = error ? form.current?.querySelector("[aria-invalid]") : null;
    if (wrong instanceof HTMLElement) wrong.focus();
  }, [error]);
  /** @param {Event} event */
  const onSubmit = (event) => {
    event.preventDefault();
    if (!isBusy) void confirm();
  };
  const isBeside = fields.some((field) => about(error, field));
  const footer = html`<${Button} onClick=${onClose}>${dismiss ?? t("action.cancel")}</${Button}>
    <${Button} kind=${kind} isBusy=${isBusy} type="submit" form=${id}>${action}</${Button}>`;
  return html`<${Dialog} title=${title} onClose=${onClose} footer=${footer} describedBy=${`${id}-about`}>
    <form id=${id} class="stack confirm" ref=${form} onSubmit=${onSubmit} noValidate>
      <p class="muted" id=${`${id}-about`}>${text}</p>
      ${typeof children === "function" ? children(error) : children}
      ${error && !isBeside ? html`<${Banner} kind="danger">${explain(error)}</${Banner}>` : null}
    </form>
  </${Dialog}>`;
}
