/** Recent: one's last five predictions, each a link that opens it here. */
import { html } from "htm/preact";
import { Skeleton } from "../components/skeleton.js";
import { StatusChip } from "../components/status_chip.js";
import { Time } from "../components/time.js";
import { useQuery } from "../components/hooks.js";
import { api } from "../api.js";
import { t } from "../i18n/index.js";
import { isErased, isNewer, prediction as seenPrediction } from "../live.js";
import { asked } from "../outputs/asked.js";
import { Headline } from "../outputs/headline.js";
import { answers } from "./state.js";

const SHOWN = 5;

export function Recent() {
  const { data } = useQuery((signal) => api.get("/predictions", { query: { limit: SHOWN }, signal }), [answers.value]);
  const rows = data?.items ?? null;
  return html`<section class="card" aria-label=${t("recent.title")}>
    <div class="card__head">
      <h2>${t("recent.title")}</h2>
      <a href="/app/history">${t("recent.all")}</a>
    </div>
    ${rows?.length === 0 ? html`<p class="recent__none muted">${t("recent.none")}</p>` : null}
    <ul class="recent">
      ${(rows ?? Array.from({ length: SHOWN }, () => null)).map((/** @type {any} */ one, /** @type {number} */ place) =>
        one
          ? html`<${Row} key=${one.id} listed=${one} />`
          : html`<li key=${place} class="recent__row"><${Skeleton} /></li>`,
      )}
    </ul>
  </section>`;
}

/** @param {{listed: import("../live.js").Prediction}} props */
function Row({ listed }) {
  const live = seenPrediction(listed.id).value;
  const one = live && isNewer(listed, live) ? live : listed;
  return html`<li>
    <a class="recent__row" href=${`/app/predict/${one.id}`}>
      <span class="recent__text truncate" dir="auto">${asked(one.model, one.input)}</span>
      <span class="recent__label truncate">
        ${one.status === "succeeded" && !isErased(one)
          ? html`<${Headline} output=${one.output} />`
          : html`<${StatusChip} status=${one.status} />`}
      </span>
      <span class="recent__model small faint truncate">${one.model}</span>
      <span class="recent__time small faint"><${Time} at=${one.created_at} /></span>
    </a>
  </li>`;
}
