/** Answered: what became of a question: refused, waiting, computing, or answered. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { openAuth } from "../auth.js";
import { Banner } from "../components/banner.js";
import { Button } from "../components/button.js";
import { copy } from "../components/copy_button.js";
import { HOW_ADDRESS, howWords } from "../components/credits_how.js";
import { EmptyState, ErrorState } from "../components/empty_state.js";
import { Icon } from "../components/icon.js";
import { StatusChip } from "../components/status_chip.js";
import { toast } from "../components/toast.js";
import { explain } from "../errors.js";
import { fmt, t } from "../i18n/index.js";
import { isErased } from "../live.js";
import { Answer } from "../outputs/answer.js";
import { asked } from "../outputs/asked.js";
import { ApiError } from "../problem.js";
import { models } from "../service.js";
import { user } from "../session.js";
import { placeText, usePlace } from "./place.js";
import { GONE, again, cancel, isInForm, retry } from "./state.js";
import { TimeLine } from "./time_line.js";
import { Waiting } from "./waiting.js";

/** @typedef {import("./state.js").Run} Run */
/** @typedef {import("../live.js").Prediction} Prediction */

/** A shorter wait is over before it is read. */
const WORTH_TELLING_MS = 1_000;
const EXCERPT_MAX = 120;

/** @param {{run: Run, onSay: (text: string) => void}} props */
export function Answered({ run: now, onSay }) {
  const one = now.prediction;
  const said = one ? stateText(one) : "";
  useEffect(() => onSay(said), [said]);
  if (now.phase === "refused") return html`<${Refused} error=${now.error} />`;
  if (!one) return html`<${Waiting} text=${t("predict.sending")} />`;
  if (one.finished_at === null) return html`<${Open} key=${one.id} prediction=${one} price=${now.price} />`;
  return html`<${Done} prediction=${one} price=${now.price} />`;
}

/** @param {Prediction} one @returns {boolean} whether its model runs, as far as is known */
function isServed(one) {
  return models.value?.find((each) => each.name === one.model)?.is_live !== false;
}

/** @param {Prediction} one @returns {string} */
function stateText(one) {
  switch (one.status) {
    case "queued": {
      if (!isServed(one)) return t("predict.queued");
      const usual = models.value?.find((each) => each.name === one.model)?.recent?.median_ms;
      return usual && usual >= WORTH_TELLING_MS ? t("predict.queued_about", { time: fmt.duration(usual) }) : t("predict.queued");
    }
    case "processing":
      return t("predict.computing");
    case "succeeded":
      return t("predict.done", { time: fmt.duration(one.timings.total_ms ?? 0) });
    default:
      return t(`predict.${one.status}`, { n: one.cost });
  }
}

/** What is answered, once the form says something else. @param {{prediction: Prediction}} props */
function Asked({ prediction: one }) {
  if (isErased(one) || isInForm(one.model, one.input)) return null;
  const text = asked(one.model, one.input).slice(0, EXCERPT_MAX);
  return html`<p class="small muted truncate">${t("predict.answered", { model: one.model, text })}</p>`;
}

/** The price may change between the look and the click. @param {{price: number | null, cost: number}} props */
function NewPrice({ price, cost }) {
  return price === null || price === cost ? null : html`<${Banner}>${t("predict.price_now", { n: cost })}</${Banner}>`;
}

/** @param {{prediction: Prediction, price: number | null}} props */
function Open({ prediction: one, price }) {
  const [isBusy, setBusy] = useState(false);
  const place = usePlace(one);
  const onCancel = async () => {
    setBusy(true);
    await cancel().catch((error) => toast(explain(error), { kind: "danger" }));
    setBusy(false);
  };
  return html`<div class="stack">
    <${Waiting} text=${place ? placeText(place) : stateText(one)}>
      <${Button} size="small" isBusy=${isBusy} onClick=${onCancel}>${t("predict.cancel")}</${Button}>
    </${Waiting}>
    <${Asked} prediction=${one} />
    <${NewPrice} price=${price} cost=${one.cost} />
    ${isServed(one) ? null : html`<${Banner} kind="warning">${t("model.not_live_waits")}</${Banner}>`}
    <${TimeLine} prediction=${one} />
  </div>`;
}

/** @param {{prediction: Prediction}} props */
function Output({ prediction: one }) {
  if (isErased(one)) return html`<p class="muted">${t("answer.erased")}</p>`;
  if (one.status === "failed" && one.error) return html`<p class="muted">${one.error.message}</p>`;
  if (one.status !== "succeeded") return null;
  const model = models.value?.find((each) => each.name === one.model);
  return html`<${Answer} output=${one.output} input=${one.input} model=${model} />`;
}

/** @param {{prediction: Prediction, price: number | null}} props */
function Done({ prediction: one, price }) {
  return html`<div class="answer__done">
    <div class="answer__head">
      ${one.status === "succeeded"
        ? html`<p class="answer__state answer__state--good"><${Icon} name="check" />${stateText(one)}</p>`
        : html`<p class="answer__state">${stateText(one)}</p><${StatusChip} status=${one.status} />`}
    </div>
    <${Asked} prediction=${one} />
    <${NewPrice} price=${price} cost=${one.cost} />
    <div class="answer__output"><${Output} prediction=${one} /></div>
    <${TimeLine} prediction=${one} />
    <div class="row">
      ${isErased(one) ? null : html`<${Button} size="small" icon="repeat" onClick=${again}>${t("predict.again")}</${Button}>`}
      <${Button} size="small" kind="quiet" icon="link" onClick=${() => share(one.id)}>${t("predict.share")}</${Button}>
    </div>
  </div>`;
}

/** @param {string} id */
async function share(id) {
  const isDone = await copy(`${location.origin}/app/predict/${id}`);
  toast(t(isDone ? "predict.shared" : "copy.failed"), { kind: isDone ? "info" : "danger" });
}

/** @param {{error: unknown}} props */
function Refused({ error }) {
  if (error instanceof ApiError && error.code === "insufficient_credits") {
    const action = user.value?.is_demo
      ? html`<${Button} kind="primary" onClick=${() => openAuth("create")}>${t("auth.create")}</${Button}>`
      : html`<${Button} href=${HOW_ADDRESS}>${t("how.title")}</${Button}>`;
    return html`<div role="alert">
      <${EmptyState} icon="coins" title=${explain(error)} text=${howWords()} action=${action} />
    </div>`;
  }
  if (error instanceof ApiError && error.code === "not_found") {
    return html`<div role="alert"><${EmptyState} icon="key" title=${t("predict.not_yours")} /></div>`;
  }
  const isGone = error instanceof ApiError && GONE.has(error.code);
  return html`<${ErrorState} error=${error} onRetry=${isGone ? undefined : retry} />`;
}
