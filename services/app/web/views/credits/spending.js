/** Spending: <${Spending} first="day" />: credits by day as a chart with its table, or by model as a table. */
import { html } from "htm/preact";
import { useMemo, useState } from "preact/hooks";
import { api } from "../../api.js";
import { Chart } from "../../components/chart.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Segmented } from "../../components/segmented.js";
import { Loading, Skeleton } from "../../components/skeleton.js";
import { Table } from "../../components/table.js";
import { fmt, t } from "../../i18n/index.js";
import { filled, lastDays, dateOf } from "../../lib/days.js";

/** @typedef {{day: string, predictions: number, succeeded: number, failed: number, credits: number}} Day */
/** @typedef {{model: string, predictions: number, succeeded: number, failed: number, credits: number}} OfModel */

const DAYS = 30;

/** @param {"predictions" | "failed" | "credits"} name */
const numeric = (name) => ({
  key: name,
  head: t(`credits.${name}`),
  align: /** @type {const} */ ("end"),
  cell: (/** @type {Record<string, number>} */ row) => html`<span class="num">${fmt.number(row[name] ?? 0)}</span>`,
});

/** @param {{days: Day[]}} props */
function ByDay({ days }) {
  const at = useMemo(() => days.map(({ day }) => dateOf(day).getTime() / 1000), [days]);
  const series = useMemo(
    () => [{ label: t("credits.credits"), values: days.map(({ credits }) => credits), color: "--chart-1", isBars: true }],
    [days, t("credits.credits")],
  );
  const columns = [
    { key: "day", head: t("credits.day"), cell: (/** @type {Day} */ row) => fmt.day(dateOf(row.day)) },
    numeric("predictions"), numeric("failed"), numeric("credits"),
  ];
  const shown = days.filter(({ predictions, credits }) => predictions + credits > 0).reverse();
  return html`<div class="beside">
    <${Chart}
      label=${t("credits.chart", { n: DAYS })}
      at=${at}
      series=${series}
      format=${(/** @type {number} */ n) => fmt.number(n)}
      formatAt=${(/** @type {Date} */ date) => fmt.dayShort(date)}
      labelAt=${t("credits.day")}
    />
    <div class="beside__table" tabindex="0" role="region" aria-label=${t("credits.by_day")}><${Table} label=${t("credits.by_day")} columns=${columns} rows=${shown} keyOf=${(/** @type {Day} */ row) => row.day} /></div>
  </div>`;
}

/** @param {{rows: OfModel[]}} props */
function ByModel({ rows }) {
  const columns = [
    { key: "model", head: t("history.model"), cell: (/** @type {OfModel} */ row) => row.model },
    numeric("predictions"), numeric("failed"), numeric("credits"),
  ];
  return html`<${Table} label=${t("credits.by_model")} columns=${columns} rows=${rows} keyOf=${(/** @type {OfModel} */ row) => row.model} />`;
}

/** @param {{by: "day" | "model", data: any}} props */
function Found({ by, data }) {
  if (data.items.length === 0) return html`<${EmptyState} icon="coins" title=${t("credits.nothing_spent", { n: DAYS })} />`;
  if (by === "model") return html`<${ByModel} rows=${data.items} />`;
  return html`<${ByDay} days=${filled(data.items, lastDays(DAYS))} />`;
}

/** @param {{first?: "day" | "model"}} props what is shown first */
export function Spending({ first = "day" }) {
  const [by, setBy] = useState(first);
  const from = lastDays(DAYS)[0];
  const { data, error, reload } = useQuery((signal) => api.get("/usage", { query: { by, from }, signal }), [by]);
  const options = [
    { value: "day", label: t("credits.by_day") },
    { value: "model", label: t("credits.by_model") },
  ];
  return html`<section class="card" aria-label=${t("credits.spending")}>
    <div class="card__head">
      <h2>${t("credits.spending", { n: DAYS })}</h2>
      <${Segmented} label=${t("credits.spending")} value=${by} options=${options} onValue=${setBy} />
    </div>
    <div class="card__body">
      ${error ? html`<${ErrorState} error=${error} onRetry=${reload} />` : null}
      ${data?.by === by ? html`<${Found} by=${by} data=${data} />` : null}
      ${!error && data?.by !== by ? html`<${Loading}><${Skeleton} class="skeleton--chart" /></${Loading}>` : null}
    </div>
  </section>`;
}
