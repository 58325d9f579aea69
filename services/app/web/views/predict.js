/** Predict: ask a model and read its answer beside the question. /app/predict/{id} shows one's own prediction. */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";
import { useKey } from "../components/hooks.js";
import { Page } from "../components/page.js";
import { t } from "../i18n/index.js";
import { CodeCard } from "../playground/code_card.js";
import { Playground } from "../playground/playground.js";
import { Recent } from "../playground/recent.js";
import { model, reset, run, show } from "../playground/state.js";
import { go } from "../router.js";
import { models } from "../service.js";

const WIDE = "(width >= 53.75em) and (hover: hover)";

/** Whether the focus may be moved without asking: it is on nothing that the person chose, such as an open menu. */
function isFocusFree() {
  const now = document.activeElement;
  return now === null || now === document.body || now.id === "main";
}

/** The first field of the form. */
function field() {
  return /** @type {HTMLElement | null} */ (document.querySelector(".ask__form .control"));
}

/** @param {{params: Record<string, string>}} props */
export default function Predict({ params }) {
  const { id } = params;
  const isReady = models.value !== null;
  const shownId = run.value?.prediction?.id;
  useEffect(() => {
    if (id && isReady) void show(id);
  }, [id, isReady]);
  useEffect(() => {
    // The address names the prediction that is shown, so that a reload or a copied link finds it again.
    const now = run.peek()?.prediction?.id; // the effect above may have left what was drawn
    if (now && now !== id && location.pathname.startsWith("/app/predict")) go(`/app/predict/${now}`, { replace: true });
  }, [shownId]);
  useEffect(() => {
    if (isReady && model() && matchMedia(WIDE).matches && isFocusFree()) field()?.focus({ preventScroll: true });
  }, [isReady]);
  useKey("/", (event) => {
    event.preventDefault();
    field()?.focus();
  });
  useKey("Escape", () => {
    if (run.peek()?.phase === "done") {
      reset();
      if (id) go("/app/predict");
    }
  });
  return html`<${Page} title=${t("nav.predict")} isTitleHidden>
    <${Playground} />
    <div class="below">
      <${Recent} />
      <${CodeCard} />
    </div>
  </${Page}>`;
}
