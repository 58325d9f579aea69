/** SecretShown: <${SecretShown} secret url=${string | null} onClose />: what signs messages; of a webhook it is shown this once. */
import { html } from "htm/preact";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { CopyButton } from "../../components/copy_button.js";
import { Dialog } from "../../components/dialog.js";
import { t } from "../../i18n/index.js";

const CHECK = `from standardwebhooks import Webhook

event = Webhook(secret).verify(body, headers)`;

/** @param {{secret: string, url: string | null, onClose: () => void}} props */
export function SecretShown({ secret, url, onClose }) {
  const footer = html`<${Button} kind="primary" onClick=${onClose}>${t(url ? "webhooks.kept" : "action.close")}</${Button}>`;
  const title = url ? t("webhooks.secret_title") : t("webhooks.own_secret");
  return html`<${Dialog} title=${title} onClose=${onClose} canClose=${!url} footer=${footer}>
    <div class="stack">
      ${url
        ? html`<${Banner}>${t("webhooks.secret_text", { url })}</${Banner}>`
        : html`<p class="muted">${t("webhooks.own_secret_text")}</p>`}
      <div class="row"><code class="wrap">${secret}</code><${CopyButton} text=${secret} /></div>
      <p class="muted small">${t("webhooks.check_text")}</p>
      <div class="snippet">
        <pre class="code__text" tabindex="0"><code>${CHECK}</code></pre>
        <div class="snippet__copy"><${CopyButton} text=${CHECK} /></div>
      </div>
    </div>
  </${Dialog}>`;
}
