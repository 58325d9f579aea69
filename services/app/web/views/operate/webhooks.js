/** Webhooks: receivers of anybody that fail or are switched off, what was sent to them, and what can be done about it. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { TextField } from "../../components/field.js";
import { Section } from "../../components/section.js";
import { Segmented } from "../../components/segmented.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { about, Faults } from "../../errors.js";
import { fmt, t } from "../../i18n/index.js";
import { may } from "../../session.js";
import { WebhookState } from "../developers/webhook_state.js";
import { WebhookLog } from "../developers/webhook_log.js";
import { REASON_MAX } from "./rules.js";

/**
 * @typedef {{id: string, user_id: string, username: string, url: string, is_enabled: boolean, failing_since: string | null,
 *   disabled_at: string | null, disabled_reason: "user" | "failing" | "gone" | "admin" | null, waiting: number}} AdminWebhook
 * @typedef {{what: "log" | "disable", webhook: AdminWebhook}} AdminWebhookDialog
 */

const SHOWN = 200;

/** @param {{webhook: AdminWebhook, onClose: () => void, onDone: () => void}} props */
function Disable({ webhook, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const disable = async () => {
    Faults.check({ reason: reason.trim() ? null : t("fault.required") });
    await api.post(`/admin/webhooks/${webhook.id}/disable`, { reason });
    toast(t("operate.webhook_off", { url: webhook.url }));
    onDone();
  };
  return html`<${Confirm} title=${t("webhooks.switch_title")} text=${t("operate.webhook_off_text", { url: webhook.url, name: webhook.username })}
    action=${t("webhooks.switch")} kind="danger" onConfirm=${disable} onClose=${onClose} fields=${["reason"]}>
    ${(/** @type {unknown} */ error) => html`<${TextField} label=${t("operate.reason")} hint=${t("operate.reason_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

/** Why it is off, or since when it fails. @param {{one: AdminWebhook}} props */
function Since({ one }) {
  const at = one.disabled_at ?? one.failing_since;
  return html`<div class="stack stack--tight">
    <span><${WebhookState} one=${one} /></span>
    ${one.disabled_reason ? html`<span class="small muted">${t(`operate.webhook_off.${one.disabled_reason}`)}</span>` : null}
    ${at ? html`<span class="small muted"><${Time} at=${at} /></span>` : null}
  </div>`;
}

/** @param {(asked: AdminWebhookDialog) => void} ask */
const columnsOf = (ask) => [
  { key: "url", head: t("webhooks.url"), class: "cell--grow", cell: (/** @type {AdminWebhook} */ one) => html`<span class="mono wrap">${one.url}</span>` },
  { key: "owner", head: t("operate.owner"), cell: (/** @type {AdminWebhook} */ one) => html`<a href=${`/app/operate/users/${one.user_id}`}>${one.username}</a>` },
  { key: "state", head: t("operate.state"), cell: (/** @type {AdminWebhook} */ one) => html`<${Since} one=${one} />` },
  { key: "waiting", head: t("operate.queued"), align: /** @type {const} */ ("end"), cell: (/** @type {AdminWebhook} */ one) => html`<span class="num">${fmt.number(one.waiting)}</span>` },
  {
    key: "actions", head: html`<span class="visually-hidden">${t("webhooks.actions_head")}</span>`, align: /** @type {const} */ ("end"),
    cell: (/** @type {AdminWebhook} */ one) => html`<div class="row row--tight">
      <${Button} size="small" icon="list" onClick=${() => ask({ what: "log", webhook: one })}>${t("webhooks.log")}</${Button}>
      ${one.is_enabled && may("admin") ? html`<${Button} size="small" onClick=${() => ask({ what: "disable", webhook: one })}>${t("webhooks.switch")}</${Button}>` : null}
    </div>`,
  },
];

export function AdminWebhooks() {
  const [which, setWhich] = useState("failing");
  const [asked, setAsked] = useState(/** @type {AdminWebhookDialog | null} */ (null));
  const list = useList("/admin/webhooks", { limit: SHOWN, ...(which === "all" ? { all: true } : {}) });
  const options = ["failing", "all"].map((value) => ({ value, label: t(`operate.webhooks_shown.${value}`) }));
  const close = () => setAsked(null);
  return html`<${Section} title=${t("operate.webhooks")} text=${t("operate.webhooks_text")} isFlush=${true}
    actions=${html`<${Segmented} label=${t("operate.webhooks")} value=${which} options=${options} onValue=${setWhich} />`}>
    ${list.error ? html`<${ErrorState} error=${list.error} onRetry=${list.reload} />` : null}
    ${list.error && !list.items
      ? null
      : html`<${Table} label=${t("operate.webhooks")} columns=${columnsOf(setAsked)} rows=${list.items} keyOf=${(/** @type {AdminWebhook} */ one) => one.id}
          empty=${html`<${EmptyState} icon="check" title=${t(which === "all" ? "operate.no_webhooks" : "operate.no_webhook_fails")} />`} />`}
    <${MoreButton} list=${list} />
    ${asked?.what === "log" ? html`<${WebhookLog} webhook=${asked.webhook} under="/admin" onClose=${close} />` : null}
    ${asked?.what === "disable" ? html`<${Disable} webhook=${asked.webhook} onClose=${close} onDone=${list.reload} />` : null}
  </${Section}>`;
}
