/**
 * Curves: <${Curves} series range onRange model onModel />: what came and how it went, how long it took and what was paid, step by
 * step; with the numbers as a table.
 */
import { html } from "htm/preact";
import { useEffect, useMemo } from "preact/hooks";
import { Chart } from "../../components/chart.js";
import { SelectField } from "../../components/field.js";
import { Section } from "../../components/section.js";
import { Segmented } from "../../components/segmented.js";
import { Skeleton } from "../../components/skeleton.js";
import { Table } from "../../components/table.js";
import { fmt, language, t } from "../../i18n/index.js";
import { dateOf } from "../../lib/days.js";
import { loadModels, models } from "../../service.js";

/**
 * @typedef {{at: string, accepted: number, succeeded: number, failed: number, canceled: number, credits: number,
 *   p50_ms: number | null, p95_ms: number | null, p99_ms: number | null}} Step
 * @typedef {"minute" | "hour" | "day"} Length
 * @typedef {"accepted" | "succeeded" | "failed" | "credits" | "p50_ms" | "p95_ms" | "p99_ms"} Name
 */

const FLOW = /** @type {const} */ (["accepted", "succeeded", "failed"]);
const LATENCY = /** @type {const} */ (["p50_ms", "p95_ms", "p99_ms"]);
/** @type {Record<Name, string>} */
const COLORS = {
  accepted: "--chart-1", succeeded: "--chart-2", failed: "--chart-4", credits: "--chart-1",
  p50_ms: "--chart-1", p95_ms: "--chart-3", p99_ms: "--chart-4",
};
const PAID = /** @type {const} */ (["credits"]);
const COUNTS = /** @type {const} */ ([...FLOW, "canceled", ...PAID]);
const TABLE_ROWS = 30;
/** What can be shown, and what it asks for. @type {Record<string, {minutes: number, step: Length}>} */
export const RANGES = {
  hour: { minutes: 60, step: "minute" },
  day: { minutes: 1440, step: "hour" },
  days: { minutes: 43_200, step: "day" },
};
const HOUR_MS = 3_600_000;

/** The length of a step, from the series itself: the last one stays in sight while another is asked for. @param {Step[]} series @returns {Length} */
function lengthOf(series) {
  const ms = Date.parse(series[1]?.at ?? "") - Date.parse(series[0]?.at ?? "");
  return ms > HOUR_MS ? "day" : ms === HOUR_MS ? "hour" : "minute";
}

/** When a step began. Days are those of UTC, and are shown as such. @param {Step} one @param {Length} length */
const beginOf = ({ at }, length) => (length === "day" ? dateOf(at.slice(0, 10)) : new Date(at));

/** @param {Step[] | null} series @param {readonly Name[]} names */
function useCurves(series, names) {
  return useMemo(
    () => names.map((name) => ({ label: t(`operate.curve.${name}`), values: (series ?? []).map((one) => one[name]), color: COLORS[name] })),
    [series, language.value],
  );
}

/** Whether there is nothing to draw but zeros. @param {ReturnType<typeof useCurves>} curves */
const isFlat = (curves) => curves.every(({ values }) => values.every((value) => !value));

/** @param {Date} at */
export const clock = (at) => at.toLocaleTimeString(language.value === "ru" ? "ru-RU" : "en-GB", { hour: "2-digit", minute: "2-digit" });
/** @param {number | null} ms */
const duration = (ms) => (ms === null ? "—" : fmt.duration(ms));

/** @param {{series: Step[], length: Length, formatAt: (at: Date) => string}} props */
function Numbers({ series, length, formatAt }) {
  const columns = [
    { key: "at", head: t(`operate.step.${length}`), cell: (/** @type {Step} */ one) => formatAt(beginOf(one, length)) },
    ...COUNTS.map((name) => ({
      key: name, head: t(`operate.curve.${name}`), align: /** @type {const} */ ("end"),
      cell: (/** @type {Step} */ one) => html`<span class="num">${fmt.number(one[name])}</span>`,
    })),
    ...LATENCY.map((name) => ({
      key: name, head: t(`operate.curve.${name}`), align: /** @type {const} */ ("end"),
      cell: (/** @type {Step} */ one) => duration(one[name]),
    })),
  ];
  const rows = series.slice(-TABLE_ROWS).reverse();
  return html`<details class="details">
    <summary>${t("operate.as_table")}</summary>
    <${Table} label=${t("operate.as_table")} columns=${columns} rows=${rows} keyOf=${(/** @type {Step} */ one) => one.at} isWide=${true} />
  </details>`;
}

/** @param {{range: string, onRange: (range: string) => void, model: string, onModel: (model: string) => void}} props */
function Choice({ range, onRange, model, onModel }) {
  useEffect(() => void loadModels().catch(() => undefined), []);
  const ranges = Object.keys(RANGES).map((value) => ({ value, label: t(`operate.range.${value}`) }));
  const names = (models.value ?? []).map(({ name }) => ({ value: name, label: name }));
  return html`<div class="row row--apart">
    <${Segmented} label=${t("operate.range")} value=${range} options=${ranges} onValue=${onRange} />
    <${SelectField} label=${t("history.model")} isLabelHidden=${true} value=${model} onValue=${onModel}
      options=${[{ value: "", label: t("operate.all_models") }, ...names]} />
  </div>`;
}

/** @param {{series: Step[] | null, range: string, onRange: (range: string) => void, model: string, onModel: (model: string) => void}} props */
export function Curves({ series, ...choice }) {
  const length = lengthOf(series ?? []);
  const at = useMemo(() => (series ?? []).map((one) => beginOf(one, length).getTime() / 1000), [series]);
  const flow = useCurves(series, FLOW);
  const latency = useCurves(series, LATENCY);
  const paid = useCurves(series, PAID);
  const formatAt = length === "day" ? (/** @type {Date} */ date) => fmt.dayShort(date) : clock;
  /** @param {string} name @param {ReturnType<typeof useCurves>} curves @param {(n: number) => string} format @param {string} [note] */
  const section = (name, curves, format, note) => html`<${Section} title=${t(`operate.${name}.${length}`)} text=${series && isFlat(curves) ? t("operate.no_curve") : undefined}>
    ${series
      ? html`<${Chart} label=${t(`operate.${name}.${length}`)} at=${at} series=${curves} format=${format} formatAt=${formatAt} labelAt=${t(`operate.step.${length}`)} />`
      : html`<${Skeleton} class="skeleton--chart" />`}
    ${note ? html`<p class="muted small">${note}</p>` : null}
  </${Section}>`;
  const number = (/** @type {number} */ n) => fmt.number(n);
  return html`<${Choice} ...${choice} />
    <div class="pair">
      ${section("flow", flow, number, t("operate.flow_note"))}
      ${section("latency", latency, (n) => fmt.duration(n), t("operate.latency_note"))}
    </div>
    ${section("paid", paid, number, t("operate.estimate_note"))}
    ${series ? html`<${Numbers} series=${series} length=${length} formatAt=${formatAt} />` : null}`;
}
