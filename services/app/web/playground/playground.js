/** Playground: question and answer side by side (one below the other on a phone). onAsk may first let a visitor in. */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";
import { useModels } from "../components/use_models.js";
import { AnswerCard } from "./answer_card.js";
import { AskCard } from "./ask_card.js";
import { ask, followModel, followUser, recallDraft, rememberDraft, run } from "./state.js";

recallDraft();
followUser();
followModel();
addEventListener("pagehide", rememberDraft);

/** @param {{onAsk?: (model: import("./state.js").Model) => unknown, isBusy?: boolean}} props */
export function Playground({ onAsk = ask, isBusy = false }) {
  const { error, reload } = useModels();
  const phase = run.value?.phase;
  useEffect(() => {
    // On a phone the answer is below the form: bring it into sight once it begins.
    if (phase === "sending" && matchMedia("(width < 860px)").matches) {
      document.querySelector(".answer")?.scrollIntoView({ block: "start", behavior: "smooth" });
    }
  }, [phase]);
  return html`<div class="playground">
    <${AskCard} onAsk=${onAsk} isBusy=${isBusy} error=${error} onRetry=${reload} />
    <${AnswerCard} />
  </div>`;
}
