/**
 * AnswerCard: the answer's side of the playground: each phase of a question has its picture, none is blank. What needs
 * an answer of the service is in answered.js, loaded while the first question is typed.
 */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Banner } from "../components/banner.js";
import { Button } from "../components/button.js";
import { Countdown } from "../components/countdown.js";
import { EmptyState } from "../components/empty_state.js";
import { Skeleton } from "../components/skeleton.js";
import { t } from "../i18n/index.js";
import { later } from "../loading.js";
import { cancel, isTouched, model, run } from "./state.js";
import { Waiting } from "./waiting.js";

/** @typedef {import("./state.js").Run} Run */

const Sending = () => html`<${Waiting} text=${t("predict.sending")} />`;
const loadAnswered = async () => (await import("./answered.js")).Answered;
const Answered = later(loadAnswered, Sending);

export function AnswerCard() {
  const now = run.value;
  const [said, setSaid] = useState("");
  useEffect(() => {
    // Whoever types will ask: what shows the answer is there by then, whatever becomes of the network.
    if (isTouched.value) loadAnswered().catch(() => undefined);
  }, [isTouched.value]);
  return html`<section class="card answer" aria-label=${t("predict.answer")}>
    <div class="answer__body">
      ${now ? html`<${Phase} run=${now} onSay=${setSaid} />` : html`<${Nothing} />`}
    </div>
    <p class="visually-hidden" role="status">${now?.phase === "sending" ? t("predict.sending") : now ? said : ""}</p>
  </section>`;
}

function Nothing() {
  const isLive = model()?.is_live !== false;
  const text = t(isLive ? "predict.nothing_text" : "model.not_live_text");
  return html`<${EmptyState} icon=${isLive ? "spark" : "alert"} title=${t("predict.nothing")} text=${text} />`;
}

/** @param {{run: Run, onSay: (text: string) => void}} props onSay: what a screen reader says when the phase changes */
function Phase({ run: now, onSay }) {
  if (now.delay && now.phase !== "refused") return html`<${Delayed} delay=${now.delay} />`;
  return html`<${Answered} run=${now} onSay=${onSay} />`;
}

/** @param {{delay: import("../api.js").Delay}} props */
function Delayed({ delay }) {
  const stop = html`<${Button} size="small" onClick=${cancel}>${t("predict.cancel")}</${Button}>`;
  /** @param {number} n */
  const words = (n) => t(`state.${delay.reason}`, { n });
  return html`<div class="stack">
    <${Banner} kind="warning" action=${stop}>
      <${Countdown} key=${delay.until} until=${delay.until} render=${words} />
    </${Banner}>
    <${Skeleton} lines=${4} />
  </div>`;
}
