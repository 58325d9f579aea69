/** Playground: question and answer side by side (one below the other on a phone). onAsk may first let a visitor in. */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";
import { useQuery } from "../components/hooks.js";
import { loadModels, reloadModels } from "../service.js";
import { AnswerCard } from "./answer_card.js";
import { AskCard } from "./ask_card.js";
import { ask, followModel, followUser, recallDraft, rememberDraft, run } from "./state.js";

recallDraft();
followUser();
followModel();
addEventListener("pagehide", rememberDraft);

/** How often prices and liveness are asked for. */
const REFRESH_MS = 15_000;

/** @param {{onAsk?: (model: import("./state.js").Model) => unknown, isBusy?: boolean}} props */
export function Playground({ onAsk = ask, isBusy = false }) {
  const { error, reload } = useQuery(() => loadModels(), []);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible") reloadModels().catch(() => undefined);
    };
    const timer = setInterval(look, REFRESH_MS);
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
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
