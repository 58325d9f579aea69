/** Segmented: <${Segmented} label="Theme" value options=${[{value, label}]} onValue />: radio buttons, all in sight. */
import { html } from "htm/preact";
import { useId } from "preact/hooks";

/** @param {{label: string, value: string, options: {value: string, label: string}[], onValue: (value: any) => void}} props */
export function Segmented({ label, value, options, onValue }) {
  const name = useId();
  return html`<fieldset class="segmented">
    <legend class="visually-hidden">${label}</legend>
    ${options.map(
      (one) => html`<label key=${one.value} class="segmented__one">
        <input
          type="radio"
          name=${name}
          value=${one.value}
          checked=${one.value === value}
          onChange=${() => onValue(one.value)}
        />
        <span>${one.label}</span>
      </label>`,
    )}
  </fieldset>`;
}
