/** Overview: is it well, what waits, who works; the answer first, the curves below it. */
import { html } from "htm/preact";
import { useRef, useState } from "preact/hooks";
import { delay } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { ErrorState } from "../../components/empty_state.js";
import { Section } from "../../components/section.js";
import { Stats } from "../../components/stats.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { fmt, has, t } from "../../i18n/index.js";
import { clock, Curves, RANGES } from "./curves.js";
import { ownerColumn } from "./owner.js";
import { usePolling } from "./use_polling.js";

const STATS_MS = 5_000;

/**
 * @typedef {{queued: number, processing: number, oldest_wait_s: number | null, workers: number, per_minute: number,
 *   failed_per_minute: number, p50_ms: number | null, p95_ms: number | null, p99_ms: number | null}} Now
 * @typedef {{code: string, since: string | null, model: string | null, count: number | null}} Trouble
 * @typedef {{model: string, version: string, queued: number, processing: number, oldest_wait_s: number | null, workers: number}} QueuedModel
 * @typedef {{id: string, host: string | null, seen_at: string, is_alive: boolean, models: WorkerModel[]}} Worker
 * @typedef {{user_id: string, username: string, queued: number, processing: number}} QueuedUser
 * @typedef {{model: string, version: string | null, state: string, reason: string | null}} WorkerModel
 */

/** Where the repair of a problem begins. @type {Record<string, string>} */
const MEND = {
  model_not_served: "/app/operate/models",
  model_broken: "/app/operate/models",
  dead_letters: "/app/operate/dead-letters",
};

/** @param {{now: Now | null, problems: Trouble[] | null}} props */
function Health({ now, problems }) {
  if (!now || !problems) return null;
  if (problems.length === 0) {
    const waiting = now.queued + now.processing;
    return html`<${Banner} key="well" kind="success" hasFigures=${true}>${t(waiting ? "operate.well_busy" : "operate.well", { n: now.workers, waiting })}</${Banner}>`;
  }
  return html`<div class="stack stack--small">
    ${problems.map((one) => {
      const key = `operate.problem.${one.code}`;
      const values = { model: one.model, n: one.count ?? 0, since: one.since ? fmt.moment(one.since) : "—" };
      const why = MEND[one.code];
      const action = why ? html`<${Button} size="small" href=${why}>${t("operate.why")}</${Button}>` : null;
      return html`<${Banner} key=${`${one.code} ${one.model}`} kind="danger" action=${action} hasFigures=${true}>
        ${has(key) ? t(key, values) : `${one.code} ${one.model ?? ""} ${one.count ?? ""}`}
      </${Banner}>`;
    })}
  </div>`;
}

/** @param {number | null | undefined} ms */
const time = (ms) => (ms === null || ms === undefined ? "—" : fmt.duration(ms));

/** @param {{now: Now | null}} props */
function Numbers({ now }) {
  const waits = now?.oldest_wait_s ? t("operate.oldest", { time: time(now.oldest_wait_s * 1000) }) : t("operate.nothing_waits");
  return html`<${Stats}
    items=${[
      { label: t("operate.per_minute"), value: now && fmt.number(now.per_minute), hint: now && t("operate.failed_per_minute", { n: now.failed_per_minute }), tone: now && now.failed_per_minute > 0 ? "warning" : undefined },
      { label: t("operate.queued"), value: now && fmt.number(now.queued), hint: now && waits },
      { label: t("operate.processing"), value: now && fmt.number(now.processing) },
      { label: t("operate.median"), value: now && time(now.p50_ms), hint: now && `p95 ${time(now.p95_ms)} · p99 ${time(now.p99_ms)}` },
      { label: t("operate.workers"), value: now && fmt.number(now.workers), tone: now && now.workers === 0 ? "danger" : undefined },
    ]}
  />`;
}

/** @template {{[key: string]: any}} T @param {keyof T & string} key @returns {{key: string, head: string, align: "end", cell: (one: T) => any}} */
const numbers = (key) => ({
  key, head: t(`operate.${key}`), align: "end", cell: (one) => html`<span class="num">${fmt.number(one[key])}</span>`,
});

/** Who fills the queue. @param {{users: QueuedUser[]}} props */
function QueuedUsers({ users }) {
  const columns = [
    { ...ownerColumn(), class: "cell--grow" },
    numbers("queued"), numbers("processing"),
  ];
  return html`<${Table} label=${t("operate.queue_by_user")} columns=${columns} rows=${users}
    keyOf=${(/** @type {QueuedUser} */ one) => one.user_id} />`;
}

function Queue() {
  const { data, error, reload } = usePolling("/admin/queue", {}, STATS_MS);
  const columns = [
    { key: "model", head: t("history.model"), class: "cell--grow", cell: (/** @type {QueuedModel} */ one) => `${one.model}@${one.version}` },
    numbers("queued"), numbers("processing"),
    { key: "oldest", head: t("operate.oldest_head"), align: /** @type {const} */ ("end"), cell: (/** @type {QueuedModel} */ one) => (one.oldest_wait_s ? time(one.oldest_wait_s * 1000) : "—") },
    numbers("workers"),
  ];
  if (error && !data) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  const note = data ? t("operate.queue_note", { outbox: data.outbox, dead: data.dead_letters ?? "—" }) : "";
  return html`<${Section} title=${t("operate.queue")} text=${note} isFlush=${true}>
    <${Table} label=${t("operate.queue")} columns=${columns} rows=${data?.by_model ?? null} skeletonRows=${2}
      empty=${html`<p class="card__note muted">${t("operate.nothing_waits")}.</p>`}
      keyOf=${(/** @type {QueuedModel} */ one) => `${one.model}@${one.version}`} />
    ${data?.by_user?.length ? html`<${QueuedUsers} users=${data.by_user} />` : null}
  </${Section}>`;
}

function Workers() {
  const { data, error, reload } = usePolling("/admin/workers", {}, STATS_MS);
  const columns = [
    { key: "id", head: t("operate.worker"), class: "cell--grow", cell: (/** @type {Worker} */ one) => html`<span class="mono">${one.id}</span>${one.host ? html` <span class="muted small">${one.host}</span>` : null}` },
    { key: "state", head: t("operate.state"), cell: (/** @type {Worker} */ one) => html`<span class=${`chip chip--${one.is_alive ? "succeeded" : "failed"}`}>${t(one.is_alive ? "operate.alive" : "operate.gone")}</span>` },
    { key: "models", head: t("operate.models"), cell: (/** @type {Worker} */ one) => html`<span class="tags">${one.models.map((model) => html`<${ModelTag} key=${model.model} model=${model} />`)}</span>` },
    { key: "seen", head: t("operate.worker_seen"), align: /** @type {const} */ ("end"), cell: (/** @type {Worker} */ one) => html`<${Time} at=${one.seen_at} isAgo=${true} />` },
  ];
  if (error && !data) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  return html`<${Section} title=${t("operate.workers")} isFlush=${true}>
    <${Table} label=${t("operate.workers")} columns=${columns} rows=${data?.items ?? null} skeletonRows=${2}
      empty=${html`<p class="card__note muted">${t("operate.no_workers")}</p>`} keyOf=${(/** @type {Worker} */ one) => one.id} />
  </${Section}>`;
}

/** @param {{model: WorkerModel}} props */
function ModelTag({ model: { model, version, state, reason } }) {
  const name = version ? `${model}@${version}` : model;
  const key = `model_state.${state}`;
  const word = state === "ready" ? "" : ` · ${has(key) ? t(key) : state}`;
  return html`<span class=${`tag ${state === "failed" ? "tag--danger" : ""}`} title=${reason ?? undefined}>${name}${word}</span>`;
}

export function Overview() {
  const [range, setRange] = useState("hour");
  const [model, setModel] = useState("");
  const { data, error, reload } = usePolling("/admin/stats", { ...RANGES[range], ...(model ? { model } : {}) }, STATS_MS);
  const seen = useRef({ data, at: new Date() });
  if (seen.current.data !== data) seen.current = { data, at: new Date() };
  if (error && !data) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  const isOld = data !== null && (error !== null || delay.value !== null);
  return html`<div class=${`stack ${isOld ? "is-old" : ""}`}>
    ${isOld
      ? html`<${Banner} kind="warning">${t("operate.as_of", { at: clock(seen.current.at) })}</${Banner}>`
      : html`<${Health} now=${data?.now ?? null} problems=${data?.problems ?? null} />`}
    <${Numbers} now=${data?.now ?? null} />
    <${Curves} series=${data?.series ?? null} range=${range} onRange=${setRange} model=${model} onModel=${setModel} />
    <${Queue} />
    <${Workers} />
  </div>`;
}
