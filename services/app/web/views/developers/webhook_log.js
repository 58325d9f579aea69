/**
 * WebhookLog: <${WebhookLog} webhook=${Webhook | null} onClose />: what was sent, each attempt with its answer; sends a test,
 * and any message again. Looks again while something is under way. null: of all webhooks and those that requests named.
 * under="/admin": of anybody's webhook, as the role allows.
 */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { Icon } from "../../components/icon.js";
import { Loading, Skeleton } from "../../components/skeleton.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { explain } from "../../errors.js";
import { fmt, has, t } from "../../i18n/index.js";
import { may } from "../../session.js";

/**
 * @typedef {{at: string, status: number | null, ms: number, error: string | null,
 *   code: string | null, detail: string | null, answer: string | null}} Attempt
 * @typedef {{id: number, event: string, url: string | null, state: "pending" | "delivered" | "failed", attempts: Attempt[],
 *   created_at: string, next_at: string | null}} Delivery
 */

const LOOK_MS = 1_000;
const LOOKS_MAX = 60;
const SOON_MS = 40_000; // a lease and more
const SHOWN = 25;
/** @type {Record<Delivery["state"], [string, string]>} */
const CHIPS = { pending: ["queued", "clock"], delivered: ["succeeded", "check"], failed: ["failed", "cross"] };

/** Why an attempt failed, in the person's words; one that is older than codes has the service's. @param {Attempt} one */
function reasonOf({ code, detail, error }) {
  const key = `webhooks.failure.${code}`;
  return code && has(key) ? t(key, { detail }) : error;
}

/** @param {{one: Attempt}} props */
function AttemptLine({ one }) {
  return html`<li class="stack stack--tight">
    <span class="row row--tight small">
      <${Time} at=${one.at} /><strong class="num">${one.status ?? "—"}</strong><span class="muted num">${fmt.duration(one.ms)}</span>
    </span>
    ${one.error ? html`<span class="small wrap">${reasonOf(one)}</span>` : null}
    ${one.answer ? html`<code class="clamp small">${one.answer}</code>` : null}
  </li>`;
}

/** @param {{one: Delivery, onResend: ((one: Delivery) => void) | null, isBusy: boolean}} props */
function Message({ one, onResend, isBusy }) {
  const [color, icon] = CHIPS[one.state];
  const last = one.attempts.at(-1);
  return html`<li>
    <details class="message">
      <summary>
        <span class=${`chip chip--${color}`}><${Icon} name=${icon} />${t(`webhooks.delivery.${one.state}`)}</span>
        <span class="mono small">${one.event}</span>
        <span class="muted small"><${Time} at=${one.created_at} /></span>
        ${last ? html`<span class="muted small num">${last.status ?? "—"}</span>` : null}
      </summary>
      <div class="stack stack--small message__body">
        ${one.url ? html`<span class="mono small wrap">${one.url}</span>` : null}
        ${one.attempts.length ? html`<ol class="stack stack--small">${one.attempts.map((each) => html`<${AttemptLine} key=${each.at} one=${each} />`)}</ol>` : null}
        <div class="row row--tight">
          ${one.state === "pending" && one.next_at ? html`<span class="muted small">${t("webhooks.next")} <${Time} at=${one.next_at} isAgo=${true} /></span>` : null}
          ${onResend ? html`<${Button} size="small" icon="repeat" isBusy=${isBusy} onClick=${() => onResend(one)}>${t("webhooks.resend")}</${Button}>` : null}
        </div>
      </div>
    </details>
  </li>`;
}

/** @param {Delivery} one */
const isSoon = (one) => one.state === "pending" && Date.parse(one.next_at ?? "") - Date.now() < SOON_MS;

/** Looks again while a message that was just asked for is under way. @param {ReturnType<typeof useList>} list */
function useLooks(list) {
  const [left, setLeft] = useState(0);
  const isWaiting = left > 0 && (list.items ?? []).some(isSoon);
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setTimeout(() => {
      list.reload();
      setLeft((before) => before - 1);
    }, LOOK_MS);
    return () => clearTimeout(timer);
  }, [isWaiting, left, list.items]);
  return () => {
    list.reload();
    setLeft(LOOKS_MAX);
  };
}

/** @param {{webhook: {id: string, url: string} | null, under?: "" | "/admin", onClose: () => void}} props */
export function WebhookLog({ webhook, under = "", onClose }) {
  const base = webhook ? `${under}/webhooks/${webhook.id}` : "/webhooks";
  const maySend = under === "" || may("support");
  const list = useList(`${base}/deliveries`, { limit: SHOWN });
  const look = useLooks(list);
  const [busy, setBusy] = useState(/** @type {number | "test" | null} */ (null));
  /** @param {number | "test"} what @param {string} path */
  const send = async (what, path) => {
    setBusy(what);
    await api.post(path).then(look, (error) => toast(explain(error), { kind: "danger" }));
    setBusy(null);
  };
  const footer = html`<${Button} kind="primary" onClick=${onClose}>${t("action.close")}</${Button}>`;
  const buttons = html`<div class="row row--tight">
    ${webhook && under === ""
      ? html`<${Button} size="small" icon="upload" isBusy=${busy === "test"} onClick=${() => send("test", `${base}/test`)}>${t("webhooks.test")}</${Button}>`
      : null}
    <${Button} size="small" icon="repeat" onClick=${list.reload}>${t("webhooks.reload")}</${Button}>
  </div>`;
  return html`<${Dialog} title=${t("webhooks.log_title")} size="large" onClose=${onClose} footer=${footer}>
    <div class="stack">
      ${webhook ? html`<p class="mono small wrap">${webhook.url}</p>` : null}
      ${buttons}
      ${list.error ? html`<${ErrorState} error=${list.error} onRetry=${list.reload} />` : null}
      ${!list.items && !list.error ? html`<${Loading}><${Skeleton} lines=${4} /></${Loading}>` : null}
      ${list.items?.length === 0 ? html`<${EmptyState} icon="list" title=${t("webhooks.log_empty")} text=${t("webhooks.log_empty_text")} />` : null}
      ${list.items?.length
        ? html`<ul class="messages" aria-label=${t("webhooks.log_title")}>
            ${list.items.map(
              (/** @type {Delivery} */ one) => html`<${Message} key=${one.id} one=${one} isBusy=${busy === one.id}
                onResend=${maySend ? () => send(one.id, `${base}/deliveries/${one.id}/resend`) : null} />`,
            )}
          </ul>`
        : null}
      <${MoreButton} list=${list} />
    </div>
  </${Dialog}>`;
}
