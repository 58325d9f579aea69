/**
 * TimeLine: where the time of a prediction went: in line, getting ready (where that took long), computing, total; then
 * worker, attempt and cost.
 */
import { html } from "htm/preact";
import { fmt, t } from "../i18n/index.js";
import { preparingMs } from "../lib/timings.js";

/** @typedef {import("../live.js").Prediction} Prediction */

/** @param {Prediction} one @returns {{key: string, ms: number | null, state: "past" | "now" | "next"}[]} */
function steps(one) {
  const { queued_ms: queued, predict_ms: computing, total_ms: total } = one.timings;
  const isOver = one.finished_at !== null;
  const preparing = preparingMs(one);
  return [
    { key: "queued", ms: queued, state: one.status === "queued" ? "now" : "past" },
    ...(preparing === null ? [] : [{ key: "preparing", ms: preparing, state: /** @type {const} */ ("past") }]),
    { key: "computing", ms: computing, state: isOver ? "past" : one.status === "processing" ? "now" : "next" },
    { key: "total", ms: total, state: isOver ? "past" : "next" },
  ];
}

/** @param {{prediction: Prediction}} props */
export function TimeLine({ prediction: one }) {
  const facts = [
    one.finished_at ? t("time.charged", { n: one.charged }) : t("time.held", { n: one.cost }),
    one.attempts > 1 ? t("time.attempt", { n: one.attempts }) : null,
    one.worker_id ? t("time.by", { name: one.worker_id }) : null,
  ];
  return html`<div class="timeline">
    <ol class="timeline__steps">
      ${steps(one).map(
        ({ key, ms, state }) => html`<li key=${key} class=${`timeline__step timeline__step--${state}`}>
          <span class="timeline__name">${t(`time.${key}`)}</span>
          <span class="num">${ms === null ? "—" : fmt.duration(ms)}</span>
        </li>`,
      )}
    </ol>
    <p class="timeline__facts small faint">${facts.filter(Boolean).join(" · ")}</p>
  </div>`;
}
