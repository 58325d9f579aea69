/** ModelPicker: which model is asked: its name, what it does, its price, its usual time, and whether it runs. */
import { html } from "htm/preact";
import { Icon } from "../components/icon.js";
import { Menu } from "../components/menu.js";
import { aboutOf, fmt, t } from "../i18n/index.js";
import { models } from "../service.js";
import { choose } from "./state.js";

/** @typedef {import("../service.js").Model} Model */

/** @param {{model: Model}} props */
export function ModelFacts({ model }) {
  const facts = [
    t("unit.credits", { n: model.price_credits }),
    model.recent ? t("model.usually", { time: fmt.duration(model.recent.median_ms) }) : null,
  ];
  return html`<p class="facts">
    ${facts.filter(Boolean).map((one) => html`<span key=${one} class="num">${one}</span>`)}
    <${Liveness} model=${model} />
  </p>`;
}

/** @param {{model: Model}} props */
function Liveness({ model }) {
  return html`<span class=${`alive ${model.is_live ? "alive--yes" : "alive--no"}`}>
    ${t(model.is_live ? "model.live" : "model.not_live")}
  </span>`;
}

/** @param {{model: Model}} props */
export function ModelPicker({ model }) {
  const all = models.value ?? [];
  const trigger = html`<span class="picker__name">${model.name}</span><${Icon} name="down" />`;
  if (all.length < 2) return html`<h2 class="picker__name">${model.name}</h2>`;
  return html`<${Menu} label=${t("model.choose", { name: model.name })} trigger=${trigger} class="picker">
    ${(/** @type {() => void} */ close) =>
      html`<ul class="picker__list">
        ${all.map(
          (one) => html`<li key=${one.name}>
            <button
              class="picker__one"
              type="button"
              aria-current=${one.name === model.name ? "true" : undefined}
              onClick=${() => {
                choose(one.name);
                close();
              }}
            >
              <span class="row row--apart"><b>${one.name}</b><${Liveness} model=${one} /></span>
              <span class="picker__about">${aboutOf(one)}</span>
              <span class="small muted num">${t("unit.credits", { n: one.price_credits })}</span>
            </button>
          </li>`,
        )}
      </ul>`}
  </${Menu}>`;
}
