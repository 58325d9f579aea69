/** UserPage: one account: its credits, its last predictions, and the three things an admin does with it. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { ErrorState } from "../../components/empty_state.js";
import { SelectField, TextField } from "../../components/field.js";
import { useQuery } from "../../components/hooks.js";
import { Money } from "../../components/money.js";
import { Section } from "../../components/section.js";
import { Loading, Skeleton } from "../../components/skeleton.js";
import { Stats } from "../../components/stats.js";
import { StatusChip } from "../../components/status_chip.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { about, Faults, wholeFault } from "../../errors.js";
import { fmt, t } from "../../i18n/index.js";
import { newKey } from "../../lib/ids.js";
import { numberOf } from "../../lib/numbers.js";
import { isTerminal } from "../../live.js";
import { ApiError } from "../../problem.js";
import { may, updateUser, user as me } from "../../session.js";
import { REASON_MAX } from "./rules.js";
import { Tags } from "./users.js";

const CREDITS_MAX = 1_000_000_000;

/** @typedef {import("./users.js").AdminUser & {transactions: any[], predictions: any[]}} Whole */

/** @param {{user: Whole, onClose: () => void, onDone: () => void}} props */
function Credits({ user, onClose, onDone }) {
  const [key] = useState(newKey);
  const [amount, setAmount] = useState("");
  const [kind, setKind] = useState("top_up");
  const [reason, setReason] = useState("");
  const give = async () => {
    const min = kind === "top_up" ? 1 : -CREDITS_MAX;
    const n = Number(numberOf(amount, true) ?? 0);
    const isNothing = wholeFault(amount, 0, 0) === null && kind === "adjustment";
    Faults.check({
      amount: isNothing ? t("operate.not_zero") : wholeFault(amount, min, CREDITS_MAX),
      reason: reason.trim() ? null : t("fault.required"),
    });
    const after = await api.post(`/admin/users/${user.id}/credits`, { amount: n, kind, reason }, { key }).catch((error) => {
      if (!(error instanceof ApiError) || error.more.credits_left === undefined) throw error;
      throw new Faults({ amount: t("operate.credits_left", { n: error.more.credits_left }) });
    });
    toast(t(n < 0 ? "operate.credits_taken" : "operate.credits_given", { n: Math.abs(n), name: user.username, balance: fmt.number(after.balance) }));
    onDone();
  };
  const kinds = ["top_up", ...(may("admin") ? ["adjustment"] : [])].map((value) => ({ value, label: t(`kind.${value}`) }));
  return html`<${Confirm} title=${t("operate.give_credits")} text=${t("operate.give_credits_text", { name: user.username, balance: user.balance })}
    action=${t("operate.give_credits")} onConfirm=${give} onClose=${onClose} fields=${["amount", "reason"]}>
    ${(/** @type {unknown} */ error) => html`
    <${SelectField} label=${t("operate.kind")} hint=${t(`operate.kind_hint.${kind}`)} value=${kind} onValue=${setKind} options=${kinds} />
    <${TextField} label=${t("operate.amount")} autocomplete="off" required=${true} error=${about(error, "amount")} value=${amount} onValue=${setAmount} />
    <${TextField} label=${t("operate.reason")} hint=${t("operate.reason_shown_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

/** @param {{user: Whole, onClose: () => void, onDone: () => void}} props */
function Block({ user, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const what = user.is_blocked ? "unblock" : "block";
  const change = async () => {
    Faults.check({ reason: reason.trim() ? null : t("fault.required") });
    await api.patch(`/admin/users/${user.id}`, { is_blocked: !user.is_blocked, reason });
    toast(t(`operate.${what}_done`, { name: user.username }));
    onDone();
  };
  return html`<${Confirm} title=${t(`operate.${what}`)} text=${t(`operate.${what}_text`, { name: user.username })} action=${t(`operate.${what}`)}
    kind=${user.is_blocked ? "primary" : "danger"} onConfirm=${change} onClose=${onClose} fields=${["reason"]}>
    ${(/** @type {unknown} */ error) => html`<${TextField} label=${t("operate.reason")} hint=${t("operate.reason_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

const ROLES = ["", "viewer", "support", "admin"];

/** @param {{user: Whole, onClose: () => void, onDone: () => void}} props */
function Role({ user, onClose, onDone }) {
  const [role, setRole] = useState(/** @type {string} */ (user.role ?? ""));
  const [reason, setReason] = useState("");
  const change = async () => {
    Faults.check({ reason: reason.trim() ? null : t("fault.required") });
    await api.patch(`/admin/users/${user.id}`, { role: role || null, reason });
    toast(t("operate.role_done", { name: user.username, role: t(`role.${role || "none"}`) }));
    onDone();
    if (user.id === me.value?.id) updateUser({ role: /** @type {any} */ (role || null), is_admin: role === "admin" });
  };
  const options = ROLES.map((value) => ({ value, label: t(`role.${value || "none"}`) }));
  return html`<${Confirm} title=${t("operate.role")} text=${t("operate.role_text", { name: user.username })} action=${t("action.save")}
    onConfirm=${change} onClose=${onClose} fields=${["role", "reason"]}>
    ${(/** @type {unknown} */ error) => html`
    <${SelectField} label=${t("operate.role")} hint=${t(`operate.role_hint.${role || "none"}`)} value=${role} onValue=${setRole} options=${options} />
    <${TextField} label=${t("operate.reason")} hint=${t("operate.reason_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

const movements = () => [
  { key: "at", head: t("operate.at"), cell: (/** @type {any} */ one) => html`<${Time} at=${one.created_at} />` },
  { key: "kind", head: t("operate.kind"), cell: (/** @type {any} */ one) => t(`kind.${one.kind}`) },
  { key: "reason", head: t("operate.reason"), class: "cell--grow", cell: (/** @type {any} */ one) => one.reason ?? "" },
  { key: "change", head: t("operate.change"), align: /** @type {const} */ ("end"), cell: (/** @type {any} */ one) => one.change === 0 ? html`<span class="faint">${t("credits.from_held", { n: one.amount })}</span>` : html`<${Money} value=${one.change} isSigned=${true} />` },
];

export const predictionColumns = () => [
  { key: "at", head: t("operate.at"), cell: (/** @type {any} */ one) => html`<${Time} at=${one.created_at} />` },
  { key: "id", head: t("history.fact.id"), class: "cell--grow", cell: (/** @type {any} */ one) => html`<a class="mono small" href=${`/app/operate/predictions/${one.id}`}>${one.id}</a>` },
  { key: "model", head: t("history.model"), cell: (/** @type {any} */ one) => one.model },
  { key: "status", head: t("history.state"), cell: (/** @type {any} */ one) => html`<${StatusChip} status=${one.status} />` },
  { key: "cost", head: t("history.fact.cost"), align: /** @type {const} */ ("end"), cell: (/** @type {any} */ one) => html`<${Money} value=${isTerminal(one) && one.status !== "succeeded" ? 0 : one.cost} isBare=${true} />` },
];

/** @param {{user: Whole, reload: () => void}} props */
function Found({ user, reload }) {
  const [asks, setAsks] = useState(/** @type {"credits" | "block" | "role" | null} */ (null));
  const close = () => setAsks(null);
  const isOwn = user.id === me.value?.id;
  const mayGive = may("admin") || (may("support") && !isOwn);
  const actions = user.is_deleted ? null : html`${mayGive ? html`<${Button} size="small" icon="coins" onClick=${() => setAsks("credits")}>${t("operate.give_credits")}</${Button}>` : null}
    ${may("admin") && !user.is_demo ? html`<${Button} size="small" onClick=${() => setAsks("role")}>${t("operate.role")}</${Button}>` : null}
    ${may("admin") && !isOwn ? html`<${Button} size="small" onClick=${() => setAsks("block")}>${t(user.is_blocked ? "operate.unblock" : "operate.block")}</${Button}>` : null}`;
  return html`<div class="stack">
    <div class="row row--apart"><h2 class="row"><span>${user.username}</span> <${Tags} user=${user} /></h2><div class="row">${actions}</div></div>
    <${Stats} items=${[
      { label: t("credits.balance"), value: fmt.number(user.balance) },
      { label: t("credits.held"), value: fmt.number(user.held) },
      { label: t("operate.created"), value: fmt.day(user.created_at) },
      { label: t("operate.seen"), value: user.last_seen_at ? fmt.ago(user.last_seen_at) : "—" },
    ]} />
    <${Section} title=${t("operate.last_predictions")} isFlush=${true}>
      <${Table} label=${t("operate.last_predictions")} columns=${predictionColumns()} rows=${user.predictions}
        empty=${html`<p class="card__note muted">${t("operate.none_yet")}</p>`} keyOf=${(/** @type {any} */ one) => one.id} />
    </${Section}>
    <${Section} title=${t("credits.statement")} isFlush=${true}>
      <${Table} label=${t("credits.statement")} columns=${movements()} rows=${user.transactions}
        empty=${html`<p class="card__note muted">${t("operate.none_yet")}</p>`} keyOf=${(/** @type {any} */ one) => one.id} />
    </${Section}>
    ${asks === "credits" ? html`<${Credits} user=${user} onClose=${close} onDone=${reload} />` : null}
    ${asks === "role" ? html`<${Role} user=${user} onClose=${close} onDone=${reload} />` : null}
    ${asks === "block" ? html`<${Block} user=${user} onClose=${close} onDone=${reload} />` : null}
  </div>`;
}

/** @param {{id: string}} props */
export function UserPage({ id }) {
  const { data, error, reload } = useQuery((signal) => api.get(`/admin/users/${encodeURIComponent(id)}`, { signal }), [id]);
  return html`<div class="stack">
    <div><${Button} kind="quiet" icon="left" href="/app/operate/users">${t("operate.users")}</${Button}></div>
    ${error ? html`<${ErrorState} error=${error} onRetry=${reload} />` : null}
    ${data ? html`<${Found} user=${data} reload=${reload} />` : null}
    ${!data && !error ? html`<${Loading}><${Skeleton} class="skeleton--block" /></${Loading}>` : null}
  </div>`;
}
