/** DeadLetters: task messages that no worker could handle, and the way to have them tried again. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { t } from "../../i18n/index.js";
import { may } from "../../session.js";

/** @typedef {{id: string, queue: string, reason: string | null, prediction_id: string | null,
 *   predictions: number, at: string | null, body: string}} Letter */

const REPLAY_MAX = 1000;
const SHOWN = 200;

const columns = () => [
  { key: "at", head: t("operate.at"), cell: (/** @type {Letter} */ one) => html`<${Time} at=${one.at} />` },
  { key: "queue", head: t("operate.queue"), cell: (/** @type {Letter} */ one) => html`<span class="mono">${one.queue}</span>` },
  { key: "reason", head: t("operate.reason"), cell: (/** @type {Letter} */ one) => one.reason ?? "—" },
  {
    key: "prediction", head: t("operate.prediction"),
    cell: (/** @type {Letter} */ one) => 
      one.prediction_id
        ? html`<a class="mono small" href=${`/app/operate/predictions/${one.prediction_id}`}>${one.prediction_id}</a>${
            one.predictions > 1 ? html` <span class="muted small num">+${one.predictions - 1}</span>` : null
          }`
        : "—",
  },
  {
    key: "body", head: t("operate.body"), class: "cell--grow",
    cell: (/** @type {Letter} */ one) => html`<code class="clamp">${one.body}</code>`,
  },
];

export function DeadLetters() {
  const list = useList("/admin/dead-letters", { limit: SHOWN });
  const [isAsking, setAsking] = useState(false);
  const replay = async () => {
    const { replayed, skipped } = await api.post("/admin/dead-letters/replay", { count: REPLAY_MAX });
    const left = skipped.length > 0 ? ` ${t("operate.replay_left", { n: skipped.length })}` : "";
    toast(t("operate.replayed", { n: replayed }) + left);
    list.reload();
  };
  const some = (list.items ?? []).length > 0 && may("support");
  const action = some ? html`<${Button} size="small" icon="repeat" onClick=${() => setAsking(true)}>${t("operate.replay")}</${Button}>` : null;
  return html`<${Section} title=${t("operate.dead-letters")} text=${t("operate.dead_letters_text")} actions=${action} isFlush=${true}>
    ${list.error ? html`<${ErrorState} error=${list.error} onRetry=${list.reload} />` : null}
    ${list.error && !list.items
      ? null
      : html`<${Table} label=${t("operate.dead-letters")} columns=${columns()} rows=${list.items} keyOf=${(/** @type {Letter} */ one) => one.id}
          empty=${html`<${EmptyState} icon="check" title=${t("operate.no_dead_letters")} />`} />`}
    <${MoreButton} list=${list} />
    ${isAsking
      ? html`<${Confirm} title=${t("operate.replay")} text=${t("operate.replay_text")} action=${t("operate.replay")} onConfirm=${replay} onClose=${() => setAsking(false)} />`
      : null}
  </${Section}>`;
}
