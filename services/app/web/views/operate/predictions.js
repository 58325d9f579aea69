/** Predictions: anyone's, by id, or the newest of all. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { TextField } from "../../components/field.js";
import { useQuery } from "../../components/hooks.js";
import { SearchForm } from "../../components/search_form.js";
import { Section } from "../../components/section.js";
import { Loading, Skeleton } from "../../components/skeleton.js";
import { Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { about, Faults } from "../../errors.js";
import { idIn } from "../../history/filters.js";
import { t } from "../../i18n/index.js";
import { isTerminal } from "../../live.js";
import { go } from "../../router.js";
import { may } from "../../session.js";
import { PredictionPanel } from "../history/panel.js";
import { ownerColumn } from "./owner.js";
import { REASON_MAX } from "./rules.js";
import { predictionColumns } from "./user_page.js";

/** @param {{prediction: any, onClose: () => void, onDone: () => void}} props */
function Cancel({ prediction: { id, username }, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const cancel = async () => {
    Faults.check({ reason: reason.trim() ? null : t("fault.required") });
    await api.post(`/admin/predictions/${id}/cancel`, { reason });
    toast(t("operate.canceled", { name: username }));
    onDone();
  };
  return html`<${Confirm} title=${t("operate.cancel")} text=${t("operate.cancel_text", { name: username })} action=${t("operate.cancel")} dismiss=${t("action.close")} kind="danger"
    onConfirm=${cancel} onClose=${onClose} fields=${["reason"]}>
    ${(/** @type {unknown} */ error) => html`<${TextField} label=${t("operate.reason")} hint=${t("operate.reason_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

/** @param {{id: string}} props */
function One({ id }) {
  const [isAsking, setAsking] = useState(false);
  const { data, error, reload } = useQuery((signal) => api.get(`/admin/predictions/${encodeURIComponent(id)}`, { signal }), [id]);
  if (error) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  if (!data) return html`<${Loading}><${Skeleton} class="skeleton--block" /></${Loading}>`;
  const canCancel = may("support") && !isTerminal(data);
  const owner = data.user_id ? html`<p class="card__note"><a href=${`/app/operate/users/${data.user_id}`}>${data.username ?? t("operate.owner")}</a></p>` : null;
  return html`<div class="card">${owner}<${PredictionPanel} prediction=${data} hasActions=${false} />
    ${canCancel ? html`<div class="card__note"><${Button} kind="danger" size="small" onClick=${() => setAsking(true)}>${t("operate.cancel")}</${Button}></div>` : null}
    ${isAsking ? html`<${Cancel} prediction=${data} onDone=${reload} onClose=${() => setAsking(false)} />` : null}
  </div>`;
}

const columns = () => [
  ...predictionColumns(),
  ownerColumn(),
];

function Newest() {
  const list = useList("/admin/predictions", { limit: 50 });
  if (list.error && !list.items) return html`<${ErrorState} error=${list.error} onRetry=${list.reload} />`;
  return html`<${Section} title=${t("operate.newest")} isFlush=${true}>
    <${Table} label=${t("operate.newest")} columns=${columns()} rows=${list.items} keyOf=${(/** @type {any} */ one) => one.id}
      empty=${html`<${EmptyState} icon="clock" title=${t("operate.none_yet")} />`} />
    <${MoreButton} list=${list} />
  </${Section}>`;
}

/** @param {{id: string | null}} props */
export function Predictions({ id }) {
  const [text, setText] = useState(id ?? "");
  const [isWrong, setWrong] = useState(false);
  const find = () => {
    const found = idIn(text);
    setWrong(!found && text.trim() !== "");
    if (found) go(`/app/operate/predictions/${found}`);
    else if (text.trim() === "") go("/app/operate/predictions");
  };
  return html`<div class="stack">
    <${SearchForm} label=${t("history.search")} value=${text} onValue=${setText} onSearch=${find}
      error=${isWrong ? t("history.not_an_id") : null} />
    ${id ? html`<${One} id=${id} />` : html`<${Newest} />`}
  </div>`;
}
