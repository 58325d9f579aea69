/**
 * SchemaForm: <${SchemaForm} schema value onValue faults=${{path: message}} onSubmit />: controls for a JSON Schema; the
 * value is as lib/schema.js holds it. onSubmit is called by Ctrl+Enter.
 */
import { html } from "htm/preact";
import { Button } from "../components/button.js";
import { CheckField, ErrorText, SelectField, TextArea, TextField } from "../components/field.js";
import { t, told } from "../i18n/index.js";
import { choiceLabel, choicesOf, filledIn, initial, joined, kindOf, labelOf, mayBeNull, takesAnyText } from "../lib/schema.js";
import { later } from "../loading.js";

const FileField = later(async () => (await import("./file_field.js")).FileField);

/**
 * @typedef {{schema: any, value: any, onValue: (value: any) => void, faults: Record<string, string>, path: string,
 *   name: string, isRequired: boolean, depth: number}} Part
 */

/**
 * @param {{schema: any, value: any, onValue: (value: any) => void, faults: Record<string, string>,
 *   onSubmit: () => void}} props
 */
export function SchemaForm({ schema, value, onValue, faults, onSubmit }) {
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    onSubmit();
  };
  const part = { schema, value, onValue, faults, path: "", name: "input", isRequired: true, depth: 0 };
  return html`<div class="stack" onKeyDown=${onKeyDown}>
    ${kindOf(schema) === "object" ? html`<${Properties} ...${part} />` : html`<${Control} ...${part} />`}
    ${faults[""] ? html`<${ErrorText} text=${faults[""]} />` : null}
  </div>`;
}

/** A long text of its own has room; one of many fields grows when it is needed. */
const ROWS = { first: 6, other: 2 };
/** What the browser's own controls are for. @type {Record<string, string>} */
const INPUTS = { date: "date", email: "email", uri: "url" };
const HINTED = ["time", "duration"];

/** Words of a bundled model beside a hint that is known for its own; another model may use the same word for something else. @param {any} schema @param {string} words */
const toldBeside = ({ description }, words) => (description && told(description) !== description ? (told(words) ?? words) : words);

/** @param {Part} props */
function Properties({ schema, value, onValue, faults, path, depth }) {
  const needed = filledIn(schema);
  return html`${Object.entries(schema.properties).map(
    ([name, one]) => html`<${Control}
      key=${name}
      schema=${one}
      value=${value?.[name]}
      onValue=${(/** @type {any} */ next) => onValue({ ...value, [name]: next })}
      faults=${faults}
      path=${joined(path, name)}
      name=${name}
      isRequired=${needed.has(name)}
      depth=${depth + 1}
    />`,
  )}`;
}

/** @param {Part} part */
function Control(part) {
  const { schema, value, onValue, faults, path, isRequired, depth } = part;
  const kind = kindOf(schema, depth);
  if (kind === "object") return html`<${Group} ...${part}><${Properties} ...${part} /></${Group}>`;
  if (kind === "array") return html`<${List} ...${part} />`;
  const common = {
    label: labelFor(part),
    hint: told(schema.description) ?? (HINTED.includes(schema.format) ? t(`form.hint.${schema.format}`) : undefined),
    error: faults[path],
    value: value ?? "",
    onValue,
    required: isRequired,
  };
  const id = `in-${path.replaceAll(".", "-")}`;
  switch (kind) {
    case "checkbox":
      return html`<${CheckField} ...${common} id=${id} value=${Boolean(value)} required=${false} />`;
    case "choice":
      return html`<${SelectField} ...${common} id=${id} options=${optionsOf(schema, isRequired)} />`;
    case "file":
      return html`<${FileField} ...${common} id=${id} schema=${schema} />`;
    case "number":
    case "integer":
      return html`<${TextField}
        ...${common}
        id=${id}
        inputmode=${kind === "integer" ? "numeric" : "decimal"}
        autocomplete="off"
      />`;
    case "text": {
      const type = INPUTS[schema.format] ?? "text";
      return html`<${TextField} ...${common} id=${id} name=${path} type=${type} autocomplete="off" aside=${type === "date" ? null : counter(schema, value)} />`;
    }
    case "moment":
      return html`<${TextField} ...${common} id=${id} name=${path} type="datetime-local" autocomplete="off" />`;
    case "json":
      return html`<${TextArea}
        ...${common}
        id=${id}
        rows=${ROWS.other}
        spellcheck=${false}
        hint=${common.hint ?? (takesAnyText(schema) ? undefined : t("form.json_hint"))}
      />`;
    default:
      return html`<${TextArea} ...${common} id=${id} rows=${depth === 1 && isRequired ? ROWS.first : ROWS.other} aside=${counter(schema, value)} />`;
  }
}

/** @param {Part} part */
function labelFor({ name, schema, isRequired, path }) {
  const words = name === "text" && path === "text" && !schema.title ? t("form.text") : toldBeside(schema, labelOf(name, schema));
  return isRequired ? words : html`${words} <span class="faint">${t("form.optional")}</span>`;
}

/** @param {any} schema @param {unknown} value */
function counter(schema, value) {
  const length = [...String(value ?? "")].length;
  if (schema.maxLength === undefined) return length ? t("form.counter", { n: length }) : null;
  return t("form.counter_of", { n: length, most: schema.maxLength });
}

/** @param {any} schema @param {boolean} isRequired */
function optionsOf(schema, isRequired) {
  const options = (choicesOf(schema) ?? []).map((one, place) => ({
    value: String(place),
    label: typeof one === "boolean" ? t(one ? "answer.yes" : "answer.no") : toldBeside(schema, choiceLabel(schema, one)),
  }));
  return [{ value: "", label: isRequired ? t("form.choose") : t("form.none") }, ...options];
}

/** @param {Part & {children?: any}} props */
function Group({ children, ...part }) {
  const { schema, faults, path } = part;
  return html`<fieldset class="group">
    <legend class="field__label">${labelFor(part)}</legend>
    ${schema.description ? html`<p class="field__hint">${told(schema.description)}</p>` : null}
    <div class="stack">${children}</div>
    <${ErrorText} text=${faults[path]} />
  </fieldset>`;
}

/** @param {Part} part */
function List(part) {
  const { schema, value, onValue, faults, path, depth } = part;
  const items = Array.isArray(value) ? value : [];
  const isFull = items.length >= (schema.maxItems ?? Infinity);
  return html`<fieldset class="group">
    <legend class="field__label">${labelFor(part)}</legend>
    ${schema.description ? html`<p class="field__hint">${told(schema.description)}</p>` : null}
    <div class="stack stack--small">
      ${items.map(
        (one, place) => html`<div key=${place} class="group__item">
          <div class="grow">
            <${Control}
              schema=${schema.items}
              value=${one}
              onValue=${(/** @type {any} */ next) => onValue(items.map((old, at) => (at === place ? next : old)))}
              faults=${faults}
              path=${joined(path, place)}
              name=${String(place + 1)}
              isRequired=${!mayBeNull(schema.items)}
              depth=${depth + 1}
            />
          </div>
          <${Button}
            kind="quiet"
            icon="trash"
            label=${t("form.remove", { n: place + 1 })}
            onClick=${() => onValue(items.filter((_, at) => at !== place))}
          />
        </div>`,
      )}
      <div>
        <${Button}
          size="small"
          icon="plus"
          disabled=${isFull}
          onClick=${() => onValue([...items, initial(schema.items, depth + 1)])}
        >
          ${t("form.add")}
        </${Button}>
      </div>
    </div>
    <${ErrorText} text=${faults[path]} />
  </fieldset>`;
}

