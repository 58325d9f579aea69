/** Developers: a call that works, what a request may hold, and what was used. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { CodeLanguage, codeLanguage } from "../components/code_language.js";
import { CopyButton } from "../components/copy_button.js";
import { ErrorState } from "../components/empty_state.js";
import { SelectField } from "../components/field.js";
import { useQuery } from "../components/hooks.js";
import { Page } from "../components/page.js";
import { Section } from "../components/section.js";
import { Loading, Skeleton } from "../components/skeleton.js";
import { fmt, t } from "../i18n/index.js";
import { snippet } from "../lib/snippets.js";
import { keyFor } from "../made_key.js";
import { examplesOf } from "../playground/state.js";
import { loadModels, models, service } from "../service.js";
import { Spending } from "./credits/spending.js";
import { Keys } from "./developers/keys.js";
import { Webhooks } from "./developers/webhooks.js";

/** @typedef {import("../service.js").Model} Model */

/** @param {{models: Model[]}} props */
function Snippets({ models: found }) {
  const first = found.find((one) => one.is_default) ?? found[0];
  const [name, setName] = useState(first?.name ?? "");
  const model = found.find((one) => one.name === name) ?? first;
  if (!model) return null;
  const key = keyFor(model.name);
  const text = snippet(codeLanguage.value, { origin: location.origin, model: model.name, input: examplesOf(model)[0] ?? {}, key });
  return html`<div class="stack">
    <div class="row row--apart">
      <${CodeLanguage} />
      ${found.length > 1
        ? html`<${SelectField} label=${t("history.model")} isLabelHidden=${true} value=${model.name} onValue=${setName}
            options=${found.map((one) => ({ value: one.name, label: one.name }))} />`
        : null}
    </div>
    <p class="muted small">${t(key ? "code.has_key" : "code.key")}</p>
    <div class="snippet">
      <pre class="code__text" tabindex="0"><code>${text}</code></pre>
      <div class="snippet__copy"><${CopyButton} text=${text} /></div>
    </div>
  </div>`;
}

function Limits() {
  const found = service.value;
  if (!found) return html`<${Loading}><${Skeleton} lines=${3} /></${Loading}>`;
  const limits = [
    ["batch", t("unit.predictions", { n: found.limits.batch_max })],
    ["body", fmt.bytes(found.limits.body_bytes_max)],
    ["version", found.version],
  ];
  return html`<dl class="sheet">
    ${limits.map(([name, value]) => html`<div key=${name} class="sheet__one"><dt>${t(`developers.limit.${name}`)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

export default function Developers() {
  const { error, reload } = useQuery(() => loadModels(), []);
  const docs = html`<a href="/docs">${t("nav.docs")}</a>`;
  return html`<${Page} title=${t("nav.developers")}>
    <${Section} title=${t("developers.first")} text=${t("developers.first_text")} actions=${docs}>
      ${error && !models.value ? html`<${ErrorState} error=${error} onRetry=${reload} />` : null}
      ${models.value ? html`<${Snippets} models=${models.value} />` : null}
      ${error || models.value ? null : html`<${Loading}><${Skeleton} class="skeleton--chart" /></${Loading}>`}
    </${Section}>
    <${Keys} />
    <${Webhooks} />
    <${Section} title=${t("developers.limits")} text=${t("developers.limits_text")}><${Limits} /></${Section}>
    <${Spending} first="model" />
  </${Page}>`;
}
