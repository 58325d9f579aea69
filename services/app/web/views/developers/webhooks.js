/** Webhooks: <${Webhooks} />: addresses that are told of answers: their events and state, and what can be done with each. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Icon } from "../../components/icon.js";
import { Menu } from "../../components/menu.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { t } from "../../i18n/index.js";
import { SecretShown } from "./secret_shown.js";
import { WebhookForm } from "./webhook_form.js";
import { WebhookLog } from "./webhook_log.js";
import { WebhookState } from "./webhook_state.js";

/**
 * @typedef {{id: string, url: string, events: string[], balance_low_credits: number, is_enabled: boolean,
 *   disabled_reason: "user" | "failing" | "gone" | "admin" | null, failing_since: string | null, created_at: string}} Webhook
 * @typedef {{what: "make"} | {what: "secret", secret: string, url: string | null}
 *   | {what: "change" | "rotate" | "delete" | "log" | "switch", webhook: Webhook} | {what: "log_all"}} WebhookDialog
 */

const GRACE_S = 86_400;

/** @param {{one: Webhook, ask: (asked: WebhookDialog) => void}} props */
function Actions({ one, ask }) {
  const trigger = html`<${Icon} name="dots" />`;
  return html`<div class="row row--tight webhook-actions">
    <${Button} size="small" icon="list" onClick=${() => ask({ what: "log", webhook: one })}>${t("webhooks.log")}</${Button}>
    <${Menu} label=${t("webhooks.actions", { url: one.url })} trigger=${trigger} class="button--small">
      ${(/** @type {() => void} */ close) =>
        /** @type {const} */ (["change", "rotate", "switch", "delete"]).map(
          (what) => html`<button key=${what} type="button" class="menu__item" onClick=${() => {
            close();
            ask({ what, webhook: one });
          }}>${t(what === "switch" && !one.is_enabled ? "webhooks.switch_on" : `webhooks.${what}`)}</button>`,
        )}
    </${Menu}>
  </div>`;
}

/** @param {(asked: WebhookDialog) => void} ask */
const columnsOf = (ask) => [
  {
    key: "url",
    head: t("webhooks.url"),
    class: "cell--grow",
    cell: (/** @type {Webhook} */ one) => html`<div class="stack stack--tight">
      <span class="mono wrap">${one.url}</span>
      <span class="muted small">${one.events.map((event) => t(`webhooks.event.${event}`)).join(" · ")}</span>
    </div>`,
  },
  { key: "state", head: t("webhooks.state"), cell: (/** @type {Webhook} */ one) => html`<${WebhookState} one=${one} />` },
  {
    key: "actions",
    head: html`<span class="visually-hidden">${t("webhooks.actions_head")}</span>`,
    align: /** @type {const} */ ("end"),
    cell: (/** @type {Webhook} */ one) => html`<${Actions} one=${one} ask=${ask} />`,
  },
];

/** @param {{asked: Extract<WebhookDialog, {webhook: Webhook}>, ask: (asked: WebhookDialog | null) => void, reload: () => void}} props */
function Sure({ asked, ask, reload }) {
  const { what, webhook } = asked;
  const name = what === "switch" && !webhook.is_enabled ? "switch_on" : what;
  /** @type {WebhookDialog | null} */
  let next = null;
  const confirm = async () => {
    if (what === "delete") await api.delete(`/webhooks/${webhook.id}`);
    else if (what === "switch") await api.patch(`/webhooks/${webhook.id}`, { is_enabled: !webhook.is_enabled });
    else {
      const { secret } = await api.post(`/webhooks/${webhook.id}/rotate-secret`, { grace_s: GRACE_S });
      next = { what: "secret", secret, url: webhook.url };
    }
    reload();
  };
  return html`<${Confirm} title=${t(`webhooks.${name}_title`)} text=${t(`webhooks.${name}_text`, { url: webhook.url })}
    action=${t(`webhooks.${name}`)} kind=${what === "delete" ? "danger" : "primary"} onConfirm=${confirm} onClose=${() => ask(next)} />`;
}

/** @param {{asked: WebhookDialog, ask: (asked: WebhookDialog | null) => void, reload: () => void}} props */
function Asking({ asked, ask, reload }) {
  const close = () => ask(null);
  if (asked.what === "secret") return html`<${SecretShown} secret=${asked.secret} url=${asked.url} onClose=${close} />`;
  if (asked.what === "log_all") return html`<${WebhookLog} webhook=${null} onClose=${close} />`;
  if (asked.what === "log") {
    return html`<${WebhookLog} webhook=${asked.webhook} onClose=${() => {
      reload();
      close();
    }} />`;
  }
  if (asked.what !== "make" && asked.what !== "change") return html`<${Sure} asked=${asked} ask=${ask} reload=${reload} />`;
  /** @param {Webhook & {secret?: string}} saved */
  const onSaved = (saved) => {
    reload();
    ask(saved.secret ? { what: "secret", secret: saved.secret, url: saved.url } : null);
  };
  return html`<${WebhookForm} one=${asked.what === "change" ? asked.webhook : null} onSaved=${onSaved} onClose=${close} />`;
}

/** What switched itself off: said where it cannot be missed. @param {{webhooks: Webhook[]}} props */
function Notices({ webhooks }) {
  return webhooks
    .filter((one) => !one.is_enabled && one.disabled_reason !== "user")
    .map(
      (one) => html`<${Banner} key=${one.id} kind="danger">${t(`webhooks.disabled.${one.disabled_reason}`, { url: one.url })}</${Banner}>`,
    );
}

export function Webhooks() {
  const { data, error, reload } = useQuery((signal) => api.get("/webhooks", { signal }), []);
  const [asked, ask] = useState(/** @type {WebhookDialog | null} */ (null));
  /** @type {Webhook[] | null} */
  const webhooks = data?.items ?? null;
  const make = html`<${Button} kind="primary" size="small" icon="plus" onClick=${() => ask({ what: "make" })}>${t("webhooks.make")}</${Button}>`;
  const showOwn = async () => ask({ what: "secret", secret: (await api.get("/webhooks/secret")).secret, url: null });
  const actions = html`
    <${Button} kind="quiet" size="small" onClick=${() => ask({ what: "log_all" })}>${t("webhooks.log_all")}</${Button}>
    <${Button} kind="quiet" size="small" onClick=${() => void showOwn().catch((found) => toast(explain(found), { kind: "danger" }))}>${t("webhooks.own_secret")}</${Button}>
    ${webhooks?.length ? make : null}`;
  const empty = html`<${EmptyState} icon="link" title=${t("webhooks.empty")} text=${t("webhooks.empty_text")} action=${make} />`;
  return html`<${Section} title=${t("webhooks.title")} text=${t("webhooks.text")} actions=${actions} isFlush=${true}>
    ${webhooks ? html`<${Notices} webhooks=${webhooks} />` : null}
    ${error
      ? html`<${ErrorState} error=${error} onRetry=${reload} />`
      : html`<${Table} label=${t("webhooks.title")} columns=${columnsOf(ask)} rows=${webhooks} skeletonRows=${1} empty=${empty}
          keyOf=${(/** @type {Webhook} */ one) => one.id} />`}
    ${asked ? html`<${Asking} key=${asked.what} asked=${asked} ask=${ask} reload=${reload} />` : null}
  </${Section}>`;
}
