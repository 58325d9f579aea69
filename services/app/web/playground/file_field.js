/** FileField: a file as base64 (or a data: URL where the schema's format says so), chosen or dropped. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Icon } from "../components/icon.js";
import { fmt, t } from "../i18n/index.js";
import { fileBytes } from "../lib/schema.js";
import { fileWords } from "../outputs/asked.js";
import { service } from "../service.js";

const BASE64_GROWTH = 4 / 3;

/** @param {File} file @returns {Promise<string>} a data: URL */
function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** @param {{schema: any, value: string, onValue: (value: string) => void, error?: string, [name: string]: any}} props */
export function FileField({ schema, value, onValue, error, ...field }) {
  const [taken, setTaken] = useState(/** @type {{file: File, value: string} | null} */ (null));
  const [refused, setRefused] = useState(/** @type {string | null} */ (null));
  const [isOver, setOver] = useState(false);
  /** @param {File | undefined | null} next */
  const take = async (next) => {
    setOver(false);
    if (!next) return;
    const most = Math.min(service.value?.limits.body_bytes_max ?? Infinity, schema.maxLength ?? Infinity) / BASE64_GROWTH;
    if (next.size > most) {
      setRefused(t("form.file_too_large", { size: fmt.bytes(most) }));
      return;
    }
    const url = await read(next);
    setRefused(null);
    const content = schema.format === "data-url" ? url : url.slice(url.indexOf(",") + 1);
    setTaken({ file: next, value: content });
    onValue(content);
  };
  /** @param {DragEvent} event */
  const onDrop = (event) => {
    event.preventDefault();
    void take(event.dataTransfer?.files[0]);
  };
  const file = taken?.value === value ? taken.file : null; // an example may have taken its place
  const size = file?.size ?? fileBytes(value);
  const clear = () => {
    document.getElementById(field.id)?.focus(); // the button goes
    setTaken(null);
    onValue("");
  };
  return html`<${Field} ...${field} error=${refused ?? error}>
    ${(/** @type {Record<string, any>} */ control) => html`<div
      class=${`drop ${isOver ? "drop--over" : ""}`}
      onDragOver=${(/** @type {Event} */ event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave=${() => setOver(false)}
      onDrop=${onDrop}
    >
      <${Icon} name=${value ? "file" : "upload"} />
      <label class="grow drop__label" for=${control.id}>
        ${value ? fileWords(size, file?.name) : t("form.drop")}
      </label>
      <input
        ...${control}
        class="drop__input"
        type="file"
        accept=${schema.contentMediaType}
        required=${false}
        onChange=${(/** @type {Event} */ event) =>
          take(/** @type {HTMLInputElement} */ (event.currentTarget).files?.[0])}
      />
      ${value
        ? html`<${Button} kind="quiet" size="small" icon="cross" label=${t("action.clear")} onClick=${clear} />`
        : null}
    </div>`}
  </${Field}>`;
}
