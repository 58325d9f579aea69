/** JobCard: <${JobCard} state />: how far the job is, what holds it up, and what can be done with it. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { resultLines } from "../../bulk/results.js";
import { runner } from "../../bulk/current_job.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { HowLink } from "../../components/credits_how.js";
import { Countdown } from "../../components/countdown.js";
import { Confirm } from "../../components/dialog.js";
import { toast } from "../../components/toast.js";
import { sentenceOf } from "../../errors.js";
import { fmt, t } from "../../i18n/index.js";
import { download, saveAs } from "../../lib/download.js";
import { ApiError } from "../../problem.js";

/** @typedef {import("../../bulk/types.js").JobState} JobState */
/** @typedef {import("../../bulk/types.js").Job} Job */

const PARTS_MAX = 200;
const NOT_STARTED = new Set(["insufficient_credits", "price_changed"]);

/** @param {{state: JobState, job: Job}} props */
function Progress({ state, job }) {
  const { phase, perSecond, secondsLeft } = state;
  // What was canceled has ended as well, but a full bar would say that all is answered.
  const done = state.done - job.counts.canceled;
  const rate = fmt.number(perSecond, { maximumFractionDigits: perSecond < 10 ? 1 : 0 });
  const isMoving = phase === "running" && perSecond > 0 && secondsLeft !== null;
  const text = isMoving
    ? t("bulk.running", { done, total: job.total, rate, left: fmt.duration(Math.max(1, secondsLeft) * 1000) })
    : t("bulk.done_of", { done, total: job.total });
  return html`<div class="stack stack--small">
    <progress class="bar" aria-label=${t("bulk.progress")} max=${job.total} value=${done}></progress>
    <p class="num">${text}</p>
  </div>`;
}

/** @param {{job: Job}} props */
function Counts({ job }) {
  const { counts } = job;
  const shown = /** @type {const} */ (["succeeded", "failed", "refused", "canceled"]).filter((name) => counts[name] > 0);
  return html`<dl class="sheet">
    ${shown.map(
      (name) => html`<div key=${name} class="sheet__one"><dt>${t(`bulk.count.${name}`)}</dt><dd class="num">${fmt.number(counts[name])}</dd></div>`,
    )}
    <div class="sheet__one"><dt>${t("bulk.charged")}</dt><dd class="num">${t("unit.credits", { n: counts.charged })}</dd></div>
  </dl>`;
}

/** Which columns the file has: one's own are only on the device that has the rows. @param {{job: Job}} props */
function Columns({ job }) {
  if (job.pieces > 0 && job.columns.length === 0) return null;
  return html`<p class="small muted">${t(job.pieces > 0 ? "bulk.columns_here" : "bulk.columns_elsewhere")}</p>`;
}

/** @param {{state: JobState}} props */
function ProblemBanner({ state: { phase, problem } }) {
  if (!problem) return null;
  if (phase === "waiting" && problem.retryAt !== null) {
    const key = problem.code === "offline" ? "bulk.wait_offline" : "bulk.wait_busy";
    return html`<${Banner} kind="warning">
      <${Countdown} key=${problem.retryAt} until=${problem.retryAt} render=${(/** @type {number} */ n) => t(key, { n })} />
    </${Banner}>`;
  }
  if (problem.code === "insufficient_credits" && problem.cost !== null) {
    return html`<${Banner} kind="warning">
      ${t("bulk.stopped_credits", { cost: problem.cost, balance: problem.balance })} <${HowLink} />
    </${Banner}>`;
  }
  if (problem.code === "price_changed") return html`<${Banner} kind="warning">${t("bulk.stopped_price", { cost: problem.cost })}</${Banner}>`;
  if (problem.code === "key_forgotten") return html`<${Banner} kind="warning">${t("bulk.key_forgotten")}</${Banner}>`;
  const quote = problem.requestId ? html`<p class="small muted">${t("error.quote")} <code>${problem.requestId}</code></p>` : null;
  return html`<${Banner} kind="danger">${t("bulk.stopped")} ${sentenceOf(new ApiError(0, problem.code, problem.detail))}${quote}</${Banner}>`;
}

/** The answers beside the rows as they are on this device. @param {Job} job @param {string} name */
async function saveWithColumns(job, name) {
  const one = await runner();
  /** @type {string[]} */
  let parts = [];
  for await (const text of resultLines(job, () => one.answered(job))) {
    parts.push(text);
    if (parts.length >= PARTS_MAX) parts = [parts.join("")];
  }
  saveAs(parts, name, "text/csv;charset=utf-8");
}

/** @param {Job} job @param {(isBusy: boolean) => void} setBusy */
async function save(job, setBusy) {
  setBusy(true);
  try {
    const name = `${job.name.replace(/\.\w+$/, "") || job.model}-${t("bulk.file_suffix")}.csv`;
    if (job.pieces === 0) await download(`/bulk/${job.bulkId}/results`, { format: "csv" }, name);
    else await saveWithColumns(job, name);
  } catch {
    toast(t("bulk.not_saved"), { kind: "danger" });
  }
  setBusy(false);
}

/** @param {{state: JobState, job: Job}} props */
function Actions({ state: { phase, problem }, job }) {
  const [isBusy, setBusy] = useState(false);
  const [asks, setAsks] = useState(/** @type {"cancel" | "discard" | null} */ (null));
  const isOver = phase === "finished" || phase === "canceled";
  /** @param {"resume" | "cancel" | "discard"} what */
  const act = async (what) => (await runner())[what]();
  const file = job.bulkId && html`<${Button} kind=${isOver ? "primary" : "secondary"} icon="download" isBusy=${isBusy} onClick=${() => save(job, setBusy)}>
    ${isOver ? t("action.download") : t("bulk.download_so_far")}
  </${Button}>`;
  const mayResume = phase === "stopped" && problem?.code !== "key_forgotten";
  return html`<div class="row">
    ${mayResume ? html`<${Button} kind="primary" onClick=${() => act("resume")}>${t(problem?.code === "price_changed" ? "bulk.start" : "bulk.resume")}</${Button}>` : null}
    ${file}
    ${isOver || phase === "stopped" || job.pieces === 0 ? html`<${Button} kind="quiet" icon="plus" onClick=${() => (job.pieces > 0 ? setAsks("discard") : act("discard"))}>${t("bulk.another")}</${Button}>` : null}
    ${isOver || phase === "canceling" ? null : html`<${Button} kind="quiet" onClick=${() => setAsks("cancel")}>${t("bulk.cancel")}</${Button}>`}
    ${asks
      ? html`<${Confirm}
          title=${t(`bulk.${asks}_title`)}
          text=${t(asks === "discard" && job.columns.length === 0 ? "bulk.discard_plain" : `bulk.${asks}_text`)}
          action=${t(`bulk.${asks}_action`)}
          dismiss=${asks === "cancel" ? t("bulk.keep") : undefined}
          kind=${asks === "cancel" ? "danger" : "primary"}
          onConfirm=${() => act(asks)}
          onClose=${() => setAsks(null)}
        />`
      : null}
  </div>`;
}

/** @param {{state: JobState}} props */
export function JobCard({ state }) {
  const { job, phase } = state;
  if (!job) return null;
  const isRefused = phase === "stopped" && job.bulkId === null && NOT_STARTED.has(state.problem?.code ?? "");
  return html`<section class="card" aria-label=${t("bulk.job")}>
    <div class="card__head">
      <h2 class="truncate">${job.name || (job.pieces > 0 ? t("bulk.pasted") : t("bulk.of", { at: fmt.moment(new Date(job.startedAt).toISOString()) }))}</h2>
      <span class="muted small">${job.model} · <span role="status">${t(`bulk.phase.${isRefused ? "not_started" : phase}`)}</span></span>
    </div>
    <div class="card__body stack">
      <${Progress} state=${state} job=${job} />
      <${ProblemBanner} state=${state} />
      ${phase === "running" && job.bulkId ? html`<p class="small muted">${t("bulk.goes_on")}</p>` : null}
      <${Counts} job=${job} />
      <${Columns} job=${job} />
      <${Actions} state=${state} job=${job} />
    </div>
  </section>`;
}
