/** KeyShown: <${KeyShown} made=${CreatedKey} onClose />: the key itself, this once, and a first call with it. */
import { html } from "htm/preact";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { CodeLanguage, codeLanguage } from "../../components/code_language.js";
import { CopyButton } from "../../components/copy_button.js";
import { Dialog } from "../../components/dialog.js";
import { t } from "../../i18n/index.js";
import { snippet } from "../../lib/snippets.js";
import { examplesOf } from "../../playground/state.js";
import { models } from "../../service.js";

/** @param {{made: import("./keys.js").CreatedKey, onClose: () => void}} props */
export function KeyShown({ made, onClose }) {
  const usable = (models.value ?? []).filter((one) => !made.models || made.models.includes(one.name));
  const model = usable.find((one) => one.is_default) ?? usable[0];
  const canPredict = made.scopes.includes("predict");
  const call = model && canPredict ? snippet(codeLanguage.value, { origin: location.origin, key: made.key, model: model.name, input: examplesOf(model)[0] ?? {} }) : "";
  const footer = html`<${Button} kind="primary" onClick=${onClose}>${t("keys.kept")}</${Button}>`;
  return html`<${Dialog} title=${t("keys.shown_title", { name: made.name })} onClose=${onClose} canClose=${false} footer=${footer}>
    <div class="stack">
      <${Banner}>${t("keys.shown_text")}</${Banner}>
      <div class="row key-shown"><code class="wrap">${made.key}</code><${CopyButton} text=${made.key} /></div>
      ${call
        ? html`<div class="row row--apart"><p class="muted small">${t("keys.shown_call")}</p><${CodeLanguage} /></div>
            <div class="snippet">
              <pre class="code__text" tabindex="0"><code>${call}</code></pre>
              <div class="snippet__copy"><${CopyButton} text=${call} /></div>
            </div>`
        : null}
    </div>
  </${Dialog}>`;
}
