/** Review: <${Review} source name model />: what was understood of the rows, which column counts, what it costs, and the start. */
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../../api.js";
import { sampleOf, secondsOf } from "../../bulk/estimate.js";
import { chosenIn, itemsOf, planOf } from "../../bulk/inputs.js";
import { lastRate, runner } from "../../bulk/current_job.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { HowLink } from "../../components/credits_how.js";
import { SelectField } from "../../components/field.js";
import { useQuery } from "../../components/hooks.js";
import { Table } from "../../components/table.js";
import { explain } from "../../errors.js";
import { fmt, t } from "../../i18n/index.js";
import { excerpt } from "../../lib/schema.js";
import { balance } from "../../live.js";
import { user } from "../../session.js";

/** @typedef {import("../../bulk/source.js").Source} Source */
/** @typedef {import("../../bulk/inputs.js").Item} Item */
/** @typedef {import("../../service.js").Model} Model */

const SHOWN_ROWS = 5;
const SHOWN_ERRORS = 5;

/** @param {{source: Source, left: number}} props */
function LeftOut({ source, left }) {
  const { errors } = source;
  const blank = source.blank + left;
  if (blank + errors.length === 0) return null;
  return html`<${Banner} kind=${errors.length > 0 ? "warning" : "info"}>
    ${blank > 0 ? html`<p>${t("bulk.blank", { n: blank })}</p>` : null}
    ${errors.slice(0, SHOWN_ERRORS).map((one) => html`<p key=${one.row}>${t(`bulk.row_error.${one.code}`, { row: one.row })}</p>`)}
    ${errors.length > SHOWN_ERRORS ? html`<p>${t("bulk.more_errors", { n: errors.length - SHOWN_ERRORS })}</p>` : null}
  </${Banner}>`;
}

/** @param {{items: Item[]}} props */
function Preview({ items }) {
  const columns = [
    { key: "row", head: t("bulk.row"), align: /** @type {const} */ ("end"), cell: (/** @type {Item} */ one) => fmt.number(one.row) },
    { key: "input", head: t("bulk.input"), class: "cell--grow", cell: (/** @type {Item} */ one) => html`<span class="clamp" dir="auto">${excerpt(one.input)}</span>` },
  ];
  return html`<${Table} label=${t("bulk.preview")} columns=${columns} rows=${items.slice(0, SHOWN_ROWS)} keyOf=${(/** @type {Item} */ one) => one.row} />`;
}

/** Seconds that the job will take; null: it is not known. @param {Model} model @param {Item[]} items @returns {number | null} */
function useSeconds(model, items) {
  const rate = lastRate(model.name);
  const { data, error, isLoading } = useQuery(
    async (signal) => {
      if (rate || items.length === 0) return null;
      const sample = sampleOf(items);
      const asked = { items: sample.map((input) => ({ model: model.name, input })) };
      const { estimated_s: quoted } = await api.post("/predictions/quote", asked, { signal, retry: false });
      return secondsOf(items.length, sample.length, quoted);
    },
    [model.name, items],
  );
  if (rate) return items.length / rate;
  return isLoading || error ? null : data;
}

/** @param {Model} model @param {number} rows @param {number | null} seconds */
function before(model, rows, seconds) {
  const cost = rows * model.price_credits;
  const time = seconds === null ? "" : fmt.duration(Math.max(1, seconds) * 1000);
  return t(time ? "bulk.before_time" : "bulk.before", { rows, cost, time });
}

/** @param {Source} source */
function delimiterOf(source) {
  return source.kind === "table" && [";", "\t"].includes(source.delimiter) ? source.delimiter : ",";
}

/** @param {{source: Source, name: string, model: Model, items: Item[]}} props */
function Start({ source, name, model, items }) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const cost = items.length * model.price_credits;
  const has = balance.value;
  const seconds = useSeconds(model, items);
  const isShort = has !== null && cost > has;
  const start = async () => {
    setBusy(true);
    try {
      const one = await runner();
      const columns = source.kind === "table" && source.hasHeader ? source.columns : [];
      await one.start({
        owner: user.peek()?.id ?? "", model: model.name, name, columns, delimiter: delimiterOf(source), price: model.price_credits, items,
      });
    } catch (found) {
      setError(explain(found));
      setBusy(false);
    }
  };
  return html`
    ${isShort ? html`<${Banner} kind="warning">${t("bulk.short", { cost, balance: has, missing: cost - has })} <${HowLink} /></${Banner}>` : null}
    ${error ? html`<${Banner} kind="danger">${error}</${Banner}>` : null}
    <div class="row row--apart">
      <p class="num"><strong>${before(model, items.length, seconds)}</strong></p>
      <${Button} kind="primary" icon="spark" isBusy=${isBusy} disabled=${items.length === 0 || isShort} onClick=${start}>${t("bulk.start")}</${Button}>
    </div>
  `;
}

/** @param {{source: Source, name: string, model: Model}} props */
export function Review({ source, name, model }) {
  const [choice, setChoice] = useState(/** @type {import("../../bulk/inputs.js").ColumnChoice | null} */ (null));
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const schema = model.input_schema;
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), []);
  const column = chosenIn(choice, source);
  const plan = useMemo(() => planOf(source, schema, column), [source, model.version, column]); // a version's schema never changes
  const items = useMemo(() => itemsOf(source, schema, plan), [source, plan]);
  if (plan.by === "impossible") {
    const key = source.kind === "table" && source.hasHeader ? "bulk.missing" : "bulk.missing_names";
    return html`<${Banner} kind="warning">${t(key, { model: model.name, fields: plan.missing.join(", ") })}</${Banner}>`;
  }
  const isChoice = source.kind === "table" && plan.by === "text" && source.columns.length > 1;
  return html`<section class="card" aria-label=${t("bulk.review")} ref=${box}>
    <div class="card__head"><h2 class="truncate">${name || t("bulk.pasted")}</h2></div>
    <div class="card__body stack">
      ${isChoice
        ? html`<${SelectField}
            label=${t("bulk.column")}
            value=${String(plan.column)}
            onValue=${(/** @type {string} */ value) => setChoice({ columns: source.columns, place: Number(value) })}
            options=${source.columns.map((label, place) => ({ value: String(place), label }))}
          />`
        : null}
      <${Start} source=${source} name=${name} model=${model} items=${items} />
      <${LeftOut} source=${source} left=${source.rows.length - items.length} />
      ${items.length > 0 ? html`<${Preview} items=${items} />` : html`<p class="muted">${t("bulk.no_rows")}</p>`}
    </div>
  </section>`;
}
