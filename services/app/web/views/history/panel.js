/** PredictionPanel: <${PredictionPanel} prediction actions=${node} />: all of a prediction, and what can be done with it. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { CopyButton } from "../../components/copy_button.js";
import { StatusChip } from "../../components/status_chip.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { fmt, has, t } from "../../i18n/index.js";
import { newKey } from "../../lib/ids.js";
import { fileBytes, kindOf } from "../../lib/schema.js";
import { preparingMs } from "../../lib/timings.js";
import { isErased, isNewer, isTerminal, prediction as seenPrediction, seen } from "../../live.js";
import { Answer as Output } from "../../outputs/answer.js";
import { fileWords } from "../../outputs/asked.js";
import { JsonText } from "../../outputs/json.js";
import { repeated } from "../../playground/follow.js";
import { placeText, usePlace } from "../../playground/place.js";
import { models, reloadModels } from "../../service.js";

/** @typedef {import("../../live.js").Prediction} Prediction */

/** @param {{prediction: Prediction}} props */
function Facts({ prediction: one }) {
  const preparing = preparingMs(one);
  /** @type {[string, any][]} */
  const facts = [
    ["status", html`<${StatusChip} status=${one.status} />`],
    ["model", one.version ? `${one.model}@${one.version}` : one.model],
    ["asked", html`<${Time} at=${one.created_at} />`],
    ["queued", one.timings.queued_ms === null ? null : fmt.duration(one.timings.queued_ms)],
    ["preparing", preparing === null ? null : fmt.duration(preparing)],
    ["computing", one.timings.predict_ms === null ? null : fmt.duration(one.timings.predict_ms)],
    ["total", one.timings.total_ms === null ? null : fmt.duration(one.timings.total_ms)],
    ["cost", isTerminal(one) ? t("unit.credits", { n: one.charged }) : t("history.held", { n: one.cost })],
    ["source", t(`source.${one.source}`)],
    ["attempts", one.attempts > 1 ? fmt.number(one.attempts) : null],
    ["worker", one.worker_id],
  ];
  return html`<dl class="sheet">
    ${facts
      .filter(([, value]) => value !== null)
      .map(([name, value]) => html`<div key=${name} class="sheet__one"><dt>${t(has(`time.${name}`) ? `time.${name}` : `history.fact.${name}`)}</dt><dd>${value}</dd></div>`)}
    <div class="sheet__one sheet__one--wide">
      <dt>${t("history.fact.id")}</dt>
      <dd class="mono">${one.id} <${CopyButton} text=${one.id} isSmall=${true} /></dd>
    </div>
  </dl>`;
}

/** @param {string} name */
const modelOf = (name) => models.value?.find((model) => model.name === name);

const Erased = () => html`<p class="muted">${t("answer.erased")}</p>`;

/** @param {{prediction: Prediction}} props */
function Answer({ prediction: one }) {
  const place = usePlace(one);
  if (isErased(one) && !one.error) return html`<${Erased} />`;
  if (one.status === "succeeded") return html`<${Output} output=${one.output} input=${one.input} model=${modelOf(one.model)} />`;
  if (one.error) {
    const kind = one.status === "failed" ? "danger" : "info";
    return html`<${Banner} kind=${kind}>${t(`history.why.${one.status}`)}${isErased(one) ? null : html`<p class="small muted">${one.error.message}</p>`}</${Banner}>`;
  }
  return html`<p class="muted">${place ? placeText(place) : t(`history.waiting.${one.status}`)}</p>`;
}

/** @param {Prediction} one */
function useActions(one) {
  const [isBusy, setBusy] = useState(false);
  const [key, setKey] = useState(newKey);
  /** @param {() => Promise<Prediction>} work @param {string} done */
  const act = async (work, done) => {
    setBusy(true);
    try {
      const now = await work();
      seen(now);
      toast(t(isErased(now) ? "answer.erased" : done));
    } catch (error) {
      toast(explain(error), { kind: "danger" });
    }
    setBusy(false);
  };
  return {
    isBusy,
    cancel: () => act(() => api.post(`/predictions/${one.id}/cancel`), "history.canceled"),
    repeat: async () => {
      await act(() => repeated(one.id, { key }), "history.repeated");
      setKey(newKey());
    },
  };
}

/** What asking again costs today. @param {{prediction: Prediction}} props */
function repeatWords({ prediction: one }) {
  const cost = modelOf(one.model)?.price_credits;
  return cost === undefined ? t("history.repeat_plain") : t("history.repeat", { cost });
}

/** @param {{prediction: Prediction}} props */
function Actions({ prediction: one }) {
  const { isBusy, cancel, repeat } = useActions(one);
  useEffect(() => void reloadModels().catch(() => undefined), [one.id]);
  return html`<div class="row">
    ${isTerminal(one) && !isErased(one)
      ? html`<${Button} size="small" icon="repeat" isBusy=${isBusy} onClick=${repeat}>${repeatWords({ prediction: one })}</${Button}>`
      : null}
    ${isTerminal(one)
      ? null
      : html`<${Button} size="small" icon="cross" isBusy=${isBusy} onClick=${cancel}>${t("history.cancel")}</${Button}>`}
    <${Button} size="small" kind="quiet" icon="right" href=${`/app/predict/${one.id}`}>${t("history.open")}</${Button}>
  </div>`;
}

/** @param {{model: string, input: any}} props */
function Input({ model, input }) {
  if (isErased({ input })) return html`<${Erased} />`;
  const [name = "", ...others] = Object.keys(input ?? {});
  const text = others.length === 0 && typeof input?.[name] === "string" ? input[name] : null;
  const schema = modelOf(model)?.input_schema.properties?.[name];
  if (text && kindOf(schema, 1) === "file") return html`<p class="muted">${fileWords(fileBytes(text))}</p>`;
  if (text !== null) return html`<p class="asked" dir="auto">${text}</p>`;
  return html`<${JsonText} value=${input} />`;
}

/** @param {{prediction: Prediction, hasActions?: boolean}} props */
export function PredictionPanel({ prediction: listed, hasActions = true }) {
  const live = seenPrediction(listed.id).value;
  const one = live && isNewer(listed, live) ? live : listed;
  return html`<div class="panel">
    <div class="panel__both">
      <section class="stack stack--small"><h2 class="panel__title">${t("history.asked")}</h2><${Input} model=${one.model} input=${one.input} /></section>
      <section class="stack stack--small"><h2 class="panel__title">${t("history.answer")}</h2><${Answer} prediction=${one} /></section>
    </div>
    <${Facts} prediction=${one} />
    ${hasActions ? html`<${Actions} prediction=${one} />` : null}
  </div>`;
}
