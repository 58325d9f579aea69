/** CodeCard: the question beside it as a call in curl, Python or JavaScript that runs as it is. */
import { html } from "htm/preact";
import { CodeLanguage, codeLanguage } from "../components/code_language.js";
import { CopyButton } from "../components/copy_button.js";
import { t } from "../i18n/index.js";
import { clean } from "../lib/schema.js";
import { snippet } from "../lib/snippets.js";
import { keyFor } from "../made_key.js";
import { formOf, model } from "./state.js";

export function CodeCard() {
  const one = model();
  if (!one) return null;
  const key = keyFor(one.name);
  const input = clean(one.input_schema, formOf(one)) ?? {};
  const text = snippet(codeLanguage.value, { origin: location.origin, model: one.name, input, key });
  return html`<section class="card code" aria-label=${t("code.title")}>
    <div class="card__head">
      <h2>${t("code.title")}</h2>
      <div class="row">
        <${CodeLanguage} />
        <${CopyButton} text=${text} />
      </div>
    </div>
    ${key
      ? html`<p class="code__hint small muted">${t("code.has_key")}</p>`
      : html`<p class="code__hint small muted">${t("code.key")} <a href="/app/developers">${t("code.make_key")}</a></p>`}
    <pre class="code__text" tabindex="0"><code>${text}</code></pre>
  </section>`;
}
