/** NewJob: <${NewJob} models />: which model, which rows, what it costs; then it starts. */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { job } from "../../bulk/current_job.js";
import { decodeText, NotText } from "../../bulk/encoding.js";
import { readSource } from "../../bulk/source.js";
import { Banner } from "../../components/banner.js";
import { SelectField, TextArea } from "../../components/field.js";
import { Icon } from "../../components/icon.js";
import { aboutOf, fmt, t } from "../../i18n/index.js";
import { user } from "../../session.js";
import { RecentJobs } from "./recent_jobs.js";
import { Review } from "./review.js";

/** @typedef {import("../../service.js").Model} Model */
/** @typedef {{source: import("../../bulk/source.js").Source, name: string}} Read */

const FILE_BYTES_MAX = 64_000_000;

/** @param {File} file @param {string[]} fields @param {AbortSignal} signal @param {(share: number) => void} onProgress */
async function readFile(file, fields, signal, onProgress) {
  if (file.size > FILE_BYTES_MAX) throw new RangeError("too large");
  const text = decodeText(new Uint8Array(await file.arrayBuffer()));
  return { source: await readSource(text, { fields, signal, onProgress }), name: file.name };
}

/** @param {unknown} error @returns {string} */
function whyNot(error) {
  if (error instanceof NotText) return t("bulk.not_text");
  if (error instanceof RangeError) return t("bulk.too_large", { size: fmt.bytes(FILE_BYTES_MAX) });
  return t("bulk.not_read");
}

/**
 * What was given, for who comes back from another view; a job that starts takes it.
 * @type {{owner: string | undefined, model: string, text: string, found: Read | null} | null}
 */
let draft = null;
user.subscribe((now) => {
  if (draft?.owner !== now?.id) draft = null;
});

/** Reads what is given last; what is under way then is dropped. @param {string[]} fields @param {Read | null} first */
function useReader(fields, first) {
  const [found, setFound] = useState(first);
  const [problem, setProblem] = useState("");
  const [share, setShare] = useState(/** @type {number | null} */ (null));
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  /** @param {(signal: AbortSignal) => Promise<Read | null>} work */
  const read = async (work) => {
    stop.current.abort();
    const { signal } = (stop.current = new AbortController());
    setProblem("");
    try {
      const next = await work(signal);
      if (!signal.aborted) setFound(next);
    } catch (error) {
      if (signal.aborted) return;
      setFound(null);
      setProblem(whyNot(error));
    }
    if (!signal.aborted) setShare(null);
  };
  return {
    found, problem, share,
    forget: () => read(async () => null),
    file: (/** @type {File} */ file) => read((signal) => readFile(file, fields, signal, setShare)),
    text: (/** @type {string} */ text) =>
      read(async (signal) =>
        text.trim() ? { source: await readSource(text, { fields, signal, isPasted: true }), name: "" } : null,
      ),
  };
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
  const reader = useReader(Object.keys(model.input_schema.properties ?? {}), kept?.found ?? null);
  useEffect(() => {
    draft = { owner, model: name, text, found: reader.found };
  }, [owner, name, text, reader.found]);
  useEffect(
    () => () => {
      if (job.peek().job) draft = null;
    },
    [],
  );
  const options = models.map((one) => ({ value: one.name, label: `${one.name} · ${t("unit.credits", { n: one.price_credits })}` }));
  return html`<div class="stack">
    <div class="card card__body stack">
      <${SelectField} label=${t("bulk.model")} hint=${aboutOf(model)} value=${name} onValue=${setName} options=${options} />
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
      ${reader.problem ? html`<${Banner} kind="danger">${reader.problem}</${Banner}>` : null}
    </div>
    ${reader.found ? html`<${Review} ...${reader.found} model=${model} key=${`${name} ${reader.found.name}`} />` : null}
    <${RecentJobs} />
  </div>`;
}
