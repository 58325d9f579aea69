/** WebhookState: <${WebhookState} one=${webhook} />: whether messages to a webhook arrive. */
import { html } from "htm/preact";
import { Icon } from "../../components/icon.js";
import { t } from "../../i18n/index.js";

/** @param {{one: {is_enabled: boolean, failing_since: string | null}}} props */
export function WebhookState({ one }) {
  if (!one.is_enabled) {
    return html`<span class="chip chip--canceled"><${Icon} name="minus" />${t("webhooks.off")}</span>`;
  }
  return one.failing_since
    ? html`<span class="chip chip--failed"><${Icon} name="cross" />${t("webhooks.failing")}</span>`
    : html`<span class="chip chip--succeeded"><${Icon} name="check" />${t("webhooks.on")}</span>`;
}
