/** NewJob: <${NewJob} models />: which model, which rows, what it costs; then it starts. */
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useReducer, useState } from "preact/hooks";
import { job } from "../../bulk/current_job.js";
import { NotText } from "../../bulk/encoding.js";
import { FILE_BYTES_MAX, RowReader } from "../../bulk/reader.js";
import { Banner } from "../../components/banner.js";
import { SelectField, TextArea } from "../../components/field.js";
import { Icon } from "../../components/icon.js";
import { aboutOf, fmt, t } from "../../i18n/index.js";
import { user } from "../../session.js";
import { RecentJobs } from "./recent_jobs.js";
import { Review } from "./review.js";

/** @typedef {import("../../service.js").Model} Model */

/** @param {unknown} error @returns {string} */
function whyNot(error) {
  if (error instanceof NotText) return t("bulk.not_text");
  if (error instanceof RangeError) return t("bulk.too_large", { size: fmt.bytes(FILE_BYTES_MAX) });
  return t("bulk.not_read");
}

/**
 * What was given, for who comes back from another view; a job that starts takes it.
 * @type {{owner: string | undefined, model: string, text: string, reader: RowReader} | null}
 */
let draft = null;
user.subscribe((now) => {
  if (draft?.owner !== now?.id) draft = null;
});

/** Before anything is drawn for a model, what was given is read for its fields. @param {RowReader} reader @param {string[]} fields */
function useReader(reader, fields) {
  const [, redraw] = useReducer((/** @type {number} */ round) => round + 1, 0);
  useLayoutEffect(() => reader.subscribe(() => redraw(0)), [reader]);
  useLayoutEffect(() => void reader.forFields(fields), [reader, String(fields)]);
}

/** @param {{onFile: (file: File) => void}} props */
function Drop({ onFile }) {
  const [isOver, setOver] = useState(false);
  /** @param {DragEvent} event @param {boolean} over */
  const drag = (event, over) => {
    event.preventDefault();
    setOver(over);
  };
  return html`<label
    class=${`dropzone ${isOver ? "dropzone--over" : ""}`}
    onDragOver=${(/** @type {DragEvent} */ event) => drag(event, true)}
    onDragLeave=${(/** @type {DragEvent} */ event) => drag(event, false)}
    onDrop=${(/** @type {DragEvent} */ event) => {
      drag(event, false);
      const file = event.dataTransfer?.files[0];
      if (file) onFile(file);
    }}
  >
    <input
      type="file"
      class="visually-hidden"
      accept=".csv,.tsv,.txt,.jsonl,.ndjson,text/csv,text/plain,application/x-ndjson"
      onChange=${(/** @type {Event} */ event) => {
        const input = /** @type {HTMLInputElement} */ (event.currentTarget);
        const file = input.files?.[0];
        if (file) onFile(file);
        input.value = ""; // the same file may be chosen again after a change
      }}
    />
    <span class="dropzone__icon"><${Icon} name="upload" /></span>
    <span class="dropzone__text"><strong>${t("bulk.drop")}</strong><span class="muted small">${t("bulk.drop_hint")}</span></span>
  </label>`;
}

/** @param {{models: Model[]}} props */
export function NewJob({ models }) {
  const first = models.find(({ is_default: isDefault }) => isDefault) ?? /** @type {Model} */ (models[0]);
  const owner = user.peek()?.id;
  const [kept] = useState(draft?.owner === owner ? draft : null);
  const [name, setName] = useState(kept?.model ?? first.name);
  const [text, setText] = useState(kept?.text ?? "");
  const model = models.find((one) => one.name === name) ?? first;
  const fields = Object.keys(model.input_schema.properties ?? {});
  const [reader] = useState(() => kept?.reader ?? new RowReader(fields));
  useReader(reader, fields);
  useEffect(() => {
    draft = { owner, model: name, text, reader };
  }, [owner, name, text]);
  useEffect(
    () => () => {
      if (job.peek().job) draft = null;
    },
    [],
  );
  const options = models.map((one) => ({ value: one.name, label: `${one.name} · ${t("unit.credits", { n: one.price_credits })}` }));
  return html`<div class="stack">
    <div class="card card__body stack">
      <${SelectField} label=${t("bulk.model")} hint=${aboutOf(model)} value=${model.name} onValue=${setName} options=${options} />
      <${Drop}
        onFile=${(/** @type {File} */ file) => {
          setText("");
          void reader.file(file);
        }}
      />
      <${TextArea}
        label=${t("bulk.paste")}
        rows=${5}
        placeholder=${t("bulk.paste_hint")}
        value=${text}
        onValue=${(/** @type {string} */ value) => {
          setText(value);
          void reader.text(value);
        }}
      />
      ${reader.share === null ? null : html`<progress class="bar" aria-label=${t("bulk.reading")} max="1" value=${reader.share}></progress>`}
      ${reader.error ? html`<${Banner} kind="danger">${whyNot(reader.error)}</${Banner}>` : null}
    </div>
    ${reader.found ? html`<${Review} ...${reader.found} model=${model} key=${`${model.name} ${reader.found.name}`} />` : null}
    <${RecentJobs} />
  </div>`;
}
