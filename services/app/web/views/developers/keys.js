/** Keys: <${Keys} />: API keys: what each may do and has spent, and the ways to make, change, rotate and revoke one. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Icon } from "../../components/icon.js";
import { Menu } from "../../components/menu.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { fmt, t } from "../../i18n/index.js";
import { forgetKey, rememberKey } from "../../made_key.js";
import { KeyForm } from "./key_form.js";
import { KeyShown } from "./key_shown.js";

/**
 * @typedef {"predict" | "read" | "bulk" | "webhooks"} Scope
 * @typedef {{id: string, prefix: string, name: string, scopes: Scope[], models: string[] | null,
 *   spend_cap: {credits: number, per: "day" | "month" | "total"} | null, spent_credits: number,
 *   rate_limit_per_minute: number | null, created_at: string, expires_at: string | null, last_used_at: string | null}} Key
 * @typedef {Key & {key: string}} CreatedKey
 * @typedef {{what: "make"} | {what: "change" | "rotate" | "revoke", key: Key} | {what: "shown", key: CreatedKey}} KeyDialog
 */

const GRACE_S = 3600;

/** @param {{one: Key}} props */
function Spent({ one }) {
  const cap = one.spend_cap;
  if (!cap) return html`<span class="num">${t("keys.spent_free", { n: one.spent_credits })}</span>`;
  const share = cap.credits ? Math.min(1, one.spent_credits / cap.credits) : 1;
  const text = t(`keys.spent_${cap.per}`, { spent: fmt.number(one.spent_credits), cap: fmt.number(cap.credits) });
  return html`<div class="stack stack--tight spent">
    <span class="num small">${text}</span>
    <progress class=${`bar ${share >= 1 ? "bar--full" : ""}`} max="1" value=${share} aria-hidden="true"></progress>
  </div>`;
}

/** @param {{one: Key}} props */
function Bounds({ one }) {
  const bounds = [
    one.models && t("keys.for_models", { models: one.models.join(", ") }),
    one.rate_limit_per_minute && t("keys.per_minute", { n: one.rate_limit_per_minute }),
    one.expires_at && t(new Date(one.expires_at) <= new Date() ? "keys.expired" : "keys.until", { day: fmt.day(one.expires_at) }),
  ].filter(Boolean);
  return html`<div class="stack stack--tight">
    <div class="row row--tight">${one.scopes.map((scope) => html`<span key=${scope} class="tag">${t(`keys.scope.${scope}`)}</span>`)}</div>
    ${bounds.length ? html`<span class="muted small">${bounds.join(" · ")}</span>` : null}
  </div>`;
}

/** @param {{one: Key, ask: (asked: KeyDialog) => void}} props */
function Actions({ one, ask }) {
  const trigger = html`<${Icon} name="dots" />`;
  return html`<${Menu} label=${t("keys.actions", { name: one.name })} trigger=${trigger} class="button--small">
    ${(/** @type {() => void} */ close) =>
      /** @type {const} */ (["change", "rotate", "revoke"]).map(
        (what) => html`<button key=${what} type="button" class="menu__item" onClick=${() => {
          close();
          ask({ what, key: one });
        }}>${t(`keys.${what}`)}</button>`,
      )}
  </${Menu}>`;
}

/** @param {(asked: KeyDialog) => void} ask */
const columnsOf = (ask) => [
  {
    key: "name",
    head: t("keys.name"),
    class: "cell--name",
    cell: (/** @type {Key} */ one) => html`<div class="stack stack--tight"><strong class="wrap">${one.name}</strong><code>${one.prefix}…</code></div>`,
  },
  { key: "may", head: t("keys.may"), class: "cell--grow", cell: (/** @type {Key} */ one) => html`<${Bounds} one=${one} />` },
  { key: "spent", head: t("keys.spent"), cell: (/** @type {Key} */ one) => html`<${Spent} one=${one} />` },
  {
    key: "used",
    head: t("keys.used"),
    cell: (/** @type {Key} */ one) =>
      one.last_used_at ? html`<${Time} at=${one.last_used_at} isAgo=${true} />` : html`<span class="muted">${t("keys.never")}</span>`,
  },
  {
    key: "actions",
    head: html`<span class="visually-hidden">${t("keys.actions_head")}</span>`,
    align: /** @type {const} */ ("end"),
    cell: (/** @type {Key} */ one) => html`<${Actions} one=${one} ask=${ask} />`,
  },
];

/** @param {{asked: KeyDialog, ask: (asked: KeyDialog | null) => void, reload: () => void}} props */
function Asking({ asked, ask, reload }) {
  const close = () => ask(null);
  if (asked.what === "shown") return html`<${KeyShown} made=${asked.key} onClose=${close} />`;
  if (asked.what === "make" || asked.what === "change") {
    /** @param {Key | CreatedKey} saved */
    const onSaved = (saved) => {
      reload();
      if (!("key" in saved)) {
        close();
        return;
      }
      rememberKey(saved);
      ask({ what: "shown", key: saved });
    };
    return html`<${KeyForm} one=${asked.what === "change" ? asked.key : null} onSaved=${onSaved} onClose=${close} />`;
  }
  const { what, key } = asked;
  const confirm = async () => {
    if (what === "revoke") {
      await api.delete(`/api-keys/${key.id}`);
      forgetKey(key.id);
      toast(t("keys.revoked", { name: key.name }));
      return null;
    }
    return api.post(`/api-keys/${key.id}/rotate`, { grace_s: GRACE_S });
  };
  /** @type {CreatedKey | null} */
  let made = null;
  return html`<${Confirm} title=${t(`keys.${what}_title`, { name: key.name })} text=${t(`keys.${what}_text`)} action=${t(`keys.${what}`)}
    kind=${what === "revoke" ? "danger" : "primary"} onConfirm=${async () => {
      made = await confirm();
      if (made) rememberKey(made);
      reload();
    }} onClose=${() => ask(made ? { what: "shown", key: made } : null)} />`;
}

export function Keys() {
  const { data, error, reload } = useQuery((signal) => api.get("/api-keys", { signal }), []);
  const [asked, ask] = useState(/** @type {KeyDialog | null} */ (null));
  const make = (/** @type {"primary" | "quiet"} */ kind) =>
    html`<${Button} kind=${kind} size="small" icon="plus" onClick=${() => ask({ what: "make" })}>${t("keys.make")}</${Button}>`;
  /** @type {Key[] | null} */
  const keys = data?.items ?? null;
  const empty = html`<${EmptyState} icon="key" title=${t("keys.empty")} text=${t("keys.empty_text")} action=${make("primary")} />`;
  return html`<${Section} title=${t("keys.title")} text=${t("keys.text")} actions=${keys?.length ? make("primary") : null} isFlush=${true}>
    ${error
      ? html`<${ErrorState} error=${error} onRetry=${reload} />`
      : html`<${Table} label=${t("keys.title")} columns=${columnsOf(ask)} rows=${keys} skeletonRows=${2} empty=${empty}
          keyOf=${(/** @type {Key} */ one) => one.id} />`}
    ${asked ? html`<${Asking} key=${asked.what} asked=${asked} ask=${ask} reload=${reload} />` : null}
  </${Section}>`;
}
