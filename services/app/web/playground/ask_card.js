/** AskCard: the question's side of the playground: model, form, examples, cost, button. onAsk decides what it takes. */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../components/button.js";
import { ErrorState } from "../components/empty_state.js";
import { unfinishedIn } from "../components/field.js";
import { Skeleton } from "../components/skeleton.js";
import { aboutOf, t } from "../i18n/index.js";
import { balance } from "../live.js";
import { asked } from "../outputs/asked.js";
import { models } from "../service.js";
import { SchemaForm } from "./form.js";
import { ModelFacts, ModelPicker } from "./model_picker.js";
import { examplesOf, faults, fill, formOf, isReady, model, run, setForm } from "./state.js";

const EXAMPLES_MAX = 4;

/**
 * @param {{onAsk: (model: import("./state.js").Model) => void, isBusy?: boolean, error?: unknown,
 *   onRetry?: () => void}} props
 */
export function AskCard({ onAsk, isBusy = false, error, onRetry }) {
  const one = model();
  const form = /** @type {{current: HTMLFormElement | null}} */ (useRef(null));
  useEffect(() => {
    const first = document.querySelector(".ask__form [aria-invalid]");
    if (!(first instanceof HTMLElement)) return;
    first.focus();
    first.scrollIntoView({ block: "center" }); // on a phone the answer's side was in sight
  }, [faults.value]);
  if (error && !one) return html`<section class="card"><${ErrorState} error=${error} onRetry=${onRetry} /></section>`;
  if (!models.value) return html`<${AskSkeleton} />`;
  if (!one) return html`<section class="card card__body"><p class="muted">${t("model.none")}</p></section>`;
  const isWaiting = isBusy || ["sending", "open"].includes(run.value?.phase ?? "");
  const submit = () => {
    const unfinished = form.current ? unfinishedIn(form.current) : [];
    if (unfinished.length > 0) isReady(one, unfinished);
    else if (!isWaiting) onAsk(one);
  };
  /** @param {Event} event */
  const onSubmit = (event) => {
    event.preventDefault();
    submit();
  };
  return html`<section class="card ask" aria-label=${t("predict.question")}>
    <div class="ask__model">
      <div class="row row--apart"><${ModelPicker} model=${one} /><${ModelFacts} model=${one} /></div>
      <${About} text=${aboutOf(one)} />
    </div>
    <form class="ask__form" ref=${form} onSubmit=${onSubmit} noValidate>
      <${SchemaForm}
        key=${one.name}
        schema=${one.input_schema}
        value=${formOf(one)}
        onValue=${(/** @type {any} */ next) => setForm(one.name, next)}
        faults=${faults.value}
        onSubmit=${submit}
      />
      <${Examples} model=${one} />
      <div class="ask__foot">
        <${Button} kind="primary" type="submit" isBusy=${isWaiting} aria-keyshortcuts="Control+Enter">
          ${t("predict.button", { n: one.price_credits })}
        </${Button}>
        <kbd class="wide-only">Ctrl+Enter</kbd>
        <span class="grow"></span>
        <${Left} price=${one.price_credits} />
      </div>
    </form>
  </section>`;
}

/** A description in two lines, the rest on demand. @param {{text: string}} props */
function About({ text }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > 130;
  return html`<div class="about">
    <p class=${`muted small ${isLong && !isOpen ? "about__cut" : ""}`}>${text}</p>
    ${isLong
      ? html`<button
          class="link small"
          type="button"
          aria-expanded=${isOpen ? "true" : "false"}
          onClick=${() => setOpen(!isOpen)}
        >
          ${t(isOpen ? "action.less" : "action.more")}
        </button>`
      : null}
  </div>`;
}

/** @param {{price: number}} props */
function Left({ price }) {
  const have = balance.value;
  if (have === null) return null;
  const isShort = have < price;
  return html`<span class=${`small num ${isShort ? "short" : "muted"}`}>
    ${isShort ? t("predict.short", { have }) : t("predict.left", { left: have - price })}
  </span>`;
}

/** @param {{model: import("./state.js").Model}} props */
function Examples({ model: one }) {
  const shown = examplesOf(one).slice(0, EXAMPLES_MAX);
  if (!shown.length) return null;
  return html`<div class="examples" role="group" aria-label=${t("predict.examples")}>
    <span class="small faint">${t("predict.examples")}</span>
    ${shown.map(
      (input, place) => html`<button
        key=${place}
        class="example truncate"
        type="button"
        onClick=${() => fill(one, input)}
      >
        ${asked(one.name, input)}
      </button>`,
    )}
  </div>`;
}

function AskSkeleton() {
  return html`<section class="card ask" aria-busy="true">
    <div class="ask__model"><${Skeleton} class="skeleton--name" /><${Skeleton} lines=${2} /></div>
    <div class="ask__form"><${Skeleton} class="skeleton--area" /><${Skeleton} class="skeleton--button" /></div>
  </section>`;
}
