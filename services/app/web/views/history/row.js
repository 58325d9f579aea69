/** PredictionRow: <${PredictionRow} prediction toggle />: a prediction in a line. */
import { html } from "htm/preact";
import { Money } from "../../components/money.js";
import { StatusChip } from "../../components/status_chip.js";
import { Time } from "../../components/time.js";
import { t } from "../../i18n/index.js";
import { isErased } from "../../live.js";
import { asked } from "../../outputs/asked.js";
import { Headline } from "../../outputs/headline.js";

/** @param {import("../../live.js").Prediction} one */
function answerOf(one) {
  if (one.status === "succeeded" && isErased(one)) return ""; // the line has just said so
  if (one.status === "succeeded") return html`<${Headline} output=${one.output} />`;
  return one.error ? t(`history.why.${one.status}`) : "";
}

/** @param {{prediction: import("../../live.js").Prediction, toggle: object}} props */
export function PredictionRow({ prediction: one, toggle }) {
  return html`<button ...${toggle}>
    <span class="prow">
      <span class="prow__input truncate" dir="auto">${asked(one.model, one.input)}</span>
      <span class="prow__answer truncate">${answerOf(one)}</span>
      <span class="prow__state"><${StatusChip} status=${one.status} /></span>
      <span class="prow__model truncate muted">${one.model}</span>
      <span class="prow__cost muted"><${Money} value=${one.charged} /></span>
      <span class="prow__time muted"><${Time} at=${one.created_at} /></span>
    </span>
  </button>`;
}
