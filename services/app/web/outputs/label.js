/** Label: one word, how sure the model is, the scores of the others as bars, and what else the answer says. */
import { html } from "htm/preact";
import { fmt, t, told } from "../i18n/index.js";
import { labelOf } from "../lib/schema.js";
import { Fields } from "./json.js";
import { besidesOf, headline, scoresOf } from "./shape.js";
import { labelWords } from "./words.js";

const SCORES_MAX = 8;

/** @param {number} score @returns {string} the width of a bar, of which a little is always seen */
const share = (score) => `${Math.max(0.5, Math.min(1, score) * 100)}%`;

/** @param {{output: any}} props */
export function Label({ output }) {
  const found = headline(output);
  if (!found) return null;
  const scores = scoresOf(output).slice(0, SCORES_MAX);
  const besides = besidesOf(output);
  return html`<div class="output-label">
    <p class="output-label__head">
      <b>${labelWords(found.name, found.label)}</b>
      ${found.confidence === null ? null : html`<span class="num muted">${t("label.confidence", { share: fmt.percent(found.confidence, 1) })}</span>`}
    </p>
    ${scores.length
      ? html`<dl class="scores">
          ${scores.map(
            ({ label, score }) => html`<div key=${label} class="scores__row">
              <dt class="truncate">${labelWords(found.name, label)}</dt>
              <dd class="scores__bar" aria-hidden="true">
                <span style=${{ width: share(score) }} class=${label === found.label ? "is-best" : ""}></span>
              </dd>
              <dd class="scores__value num">${fmt.percent(score, 1)}</dd>
            </div>`,
          )}
        </dl>`
      : null}
    ${besides.length ? html`<${Fields} fields=${besides.map(([name, one]) => [told(labelOf(name, {})), one])} />` : null}
  </div>`;
}
