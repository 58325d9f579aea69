/**
 * A labelled control with its hint and its error, tied together for screen readers.
 *
 * <${Field} label="Name" hint="…" error=${text | null}>${(control) => html`<input ...${control} />`}</${Field}>
 *   `control` has id, class, aria-describedby, aria-invalid and required to spread on the element; `aside` stands at the
 *   label's right (a counter).
 * <${TextField} label value onValue type="password" … /> · <${TextArea} label value onValue rows /> ·
 * <${SelectField} label value onValue options=${[{value, label}]} /> · <${CheckField} label value onValue />
 * unfinishedIn(form) → the names of its dates that are typed only in part: the browser gives no value for them.
 * isErrorSaid: the focus stays where it is when the error comes, so that it has to be announced. Other props go to the element.
 */
import { html } from "htm/preact";
import { useId } from "preact/hooks";
import { Icon } from "./icon.js";

/**
 * @typedef {{label: any, hint?: any, error?: string | null | undefined, aside?: any, required?: boolean,
 *   isLabelHidden?: boolean, isErrorSaid?: boolean, [name: string]: any}} FieldProps
 */

/** @param {FieldProps} props */
export function Field({ label, hint, error, aside, required = false, isLabelHidden = false, isErrorSaid = false, id: given, children }) {
  const made = useId();
  const id = given ?? made;
  const control = {
    id,
    class: "control",
    required,
    "aria-invalid": error ? "true" : undefined,
    "aria-describedby": [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined,
  };
  return html`<div class="field">
    <div class=${isLabelHidden ? "visually-hidden" : "field__head"}>
      <label class="field__label" for=${id}>${label}</label>
      ${aside ? html`<span class="field__aside">${aside}</span>` : null}
    </div>
    ${children(control)}
    ${hint ? html`<p class="field__hint" id=${`${id}-hint`}>${hint}</p>` : null}
    <${ErrorText} id=${`${id}-error`} text=${error} role=${isErrorSaid ? "alert" : undefined} />
  </div>`;
}

/** @param {{id?: string, text: string | null | undefined, role?: "alert" | undefined}} props */
export function ErrorText({ id, text, role }) {
  return text ? html`<p class="field__error" id=${id} role=${role}><${Icon} name="alert" />${text}</p>` : null;
}

/** @param {Record<string, any>} props @returns {[FieldProps, Record<string, any>]} the field's props and the element's */
function split({ label, hint, error, aside, required, isLabelHidden, isErrorSaid, id, value, onValue, ...rest }) {
  return [/** @type {FieldProps} */ ({ label, hint, error, aside, required, isLabelHidden, isErrorSaid, id }), rest];
}

/** @param {(value: string) => void} onValue */
const typed = (onValue) => (/** @type {Event} */ event) =>
  onValue(/** @type {HTMLInputElement} */ (event.currentTarget).value);

/** @param {HTMLFormElement} form @returns {string[]} */
export function unfinishedIn(form) {
  const inputs = [...form.querySelectorAll("input")]; // not `elements`: a field may have that name
  return inputs.filter((one) => one.validity.badInput).map((one) => one.name);
}

/** @param {FieldProps & {value: string, onValue: (value: string) => void}} props */
export function TextField(props) {
  const [field, rest] = split(props);
  return html`<${Field} ...${field}>
    ${(/** @type {object} */ control) =>
      html`<input type="text" ...${rest} ...${control} value=${props.value} onInput=${typed(props.onValue)} />`}
  </${Field}>`;
}

/** @param {FieldProps & {value: string, onValue: (value: string) => void}} props */
export function TextArea(props) {
  const [field, rest] = split(props);
  return html`<${Field} ...${field}>
    ${(/** @type {object} */ control) =>
      html`<textarea ...${rest} ...${control} value=${props.value} onInput=${typed(props.onValue)}></textarea>`}
  </${Field}>`;
}

/** @param {FieldProps & {value: string, onValue: (value: string) => void, options: {value: string, label: string}[]}} props */
export function SelectField({ options, ...props }) {
  const [field, rest] = split(props);
  return html`<${Field} ...${field}>
    ${(/** @type {object} */ control) =>
      html`<select ...${rest} ...${control} value=${props.value} onChange=${typed(props.onValue)}>
        ${options.map(
          (one) => html`<option key=${one.value} value=${one.value} selected=${one.value === props.value}>
            ${one.label}
          </option>`,
        )}
      </select>`}
  </${Field}>`;
}

/** @param {FieldProps & {value: boolean, onValue: (value: boolean) => void}} props */
export function CheckField({ label, hint, error, value, onValue, id: given, ...rest }) {
  const made = useId();
  const id = given ?? made;
  return html`<div class="field">
    <label class="check" for=${id}>
      <input
        type="checkbox"
        ...${rest}
        id=${id}
        checked=${value}
        aria-invalid=${error ? "true" : undefined}
        aria-describedby=${[hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined}
        onChange=${(/** @type {Event} */ event) =>
          onValue(/** @type {HTMLInputElement} */ (event.currentTarget).checked)}
      />
      <span>${label}</span>
    </label>
    ${hint ? html`<p class="field__hint" id=${`${id}-hint`}>${hint}</p>` : null}
    <${ErrorText} id=${`${id}-error`} text=${error} />
  </div>`;
}
