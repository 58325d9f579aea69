/** Curves: <${Curves} series />: what came and how it went, and how long it took, minute by minute; with the numbers as a table. */
import { html } from "htm/preact";
import { useMemo } from "preact/hooks";
import { Chart } from "../../components/chart.js";
import { Section } from "../../components/section.js";
import { Skeleton } from "../../components/skeleton.js";
import { Table } from "../../components/table.js";
import { fmt, language, t } from "../../i18n/index.js";

/**
 * @typedef {{at: string, accepted: number, succeeded: number, failed: number, p50_ms: number | null, p95_ms: number | null,
 *   p99_ms: number | null}} Minute
 * @typedef {"accepted" | "succeeded" | "failed" | "p50_ms" | "p95_ms" | "p99_ms"} Name
 */

const FLOW = /** @type {const} */ (["accepted", "succeeded", "failed"]);
const LATENCY = /** @type {const} */ (["p50_ms", "p95_ms", "p99_ms"]);
/** @type {Record<Name, string>} */
const COLORS = {
  accepted: "--chart-1", succeeded: "--chart-2", failed: "--chart-4",
  p50_ms: "--chart-1", p95_ms: "--chart-3", p99_ms: "--chart-4",
};
const TABLE_ROWS = 15;

/** @param {Minute[] | null} series @param {readonly Name[]} names */
function useCurves(series, names) {
  return useMemo(
    () => names.map((name) => ({ label: t(`operate.curve.${name}`), values: (series ?? []).map((one) => one[name]), color: COLORS[name] })),
    [series, language.value],
  );
}

/** @param {Date} at */
export const clock = (at) => at.toLocaleTimeString(language.value === "ru" ? "ru-RU" : "en-GB", { hour: "2-digit", minute: "2-digit" });
/** @param {number | null} ms */
const duration = (ms) => (ms === null ? "—" : fmt.duration(ms));

/** @param {{series: Minute[]}} props */
function Numbers({ series }) {
  const columns = [
    { key: "at", head: t("operate.minute"), cell: (/** @type {Minute} */ one) => clock(new Date(one.at)) },
    ...FLOW.map((name) => ({
      key: name, head: t(`operate.curve.${name}`), align: /** @type {const} */ ("end"),
      cell: (/** @type {Minute} */ one) => html`<span class="num">${fmt.number(one[name])}</span>`,
    })),
    ...LATENCY.map((name) => ({
      key: name, head: t(`operate.curve.${name}`), align: /** @type {const} */ ("end"),
      cell: (/** @type {Minute} */ one) => duration(one[name]),
    })),
  ];
  const rows = series.slice(-TABLE_ROWS).reverse();
  return html`<details class="details">
    <summary>${t("operate.as_table")}</summary>
    <${Table} label=${t("operate.as_table")} columns=${columns} rows=${rows} keyOf=${(/** @type {Minute} */ one) => one.at} isWide=${true} />
  </details>`;
}

/** @param {{series: Minute[] | null}} props */
export function Curves({ series }) {
  const at = useMemo(() => (series ?? []).map((one) => Date.parse(one.at) / 1000), [series]);
  const flow = useCurves(series, FLOW);
  const latency = useCurves(series, LATENCY);
  const blank = html`<${Skeleton} class="skeleton--chart" />`;
  return html`<div class="pair">
      <${Section} title=${t("operate.flow")}>
        ${series ? html`<${Chart} label=${t("operate.flow")} at=${at} series=${flow} format=${(/** @type {number} */ n) => fmt.number(n)} formatAt=${clock} labelAt=${t("operate.minute")} />` : blank}
      </${Section}>
      <${Section} title=${t("operate.latency")}>
        ${series ? html`<${Chart} label=${t("operate.latency")} at=${at} series=${latency} format=${(/** @type {number} */ n) => fmt.duration(n)} formatAt=${clock} labelAt=${t("operate.minute")} />` : blank}
        <p class="muted small">${t("operate.latency_note")}</p>
      </${Section}>
    </div>
    ${series ? html`<${Numbers} series=${series} />` : null}`;
}
