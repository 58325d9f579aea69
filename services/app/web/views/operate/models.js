/** Models: what is served, at what price; an admin changes price, default version and whether it is offered at all. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { ErrorState } from "../../components/empty_state.js";
import { CheckField, SelectField, TextField } from "../../components/field.js";
import { useQuery } from "../../components/hooks.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { about, Faults, wholeFault } from "../../errors.js";
import { fmt, has, t } from "../../i18n/index.js";
import { numberOf } from "../../lib/numbers.js";
import { reloadModels } from "../../service.js";
import { may } from "../../session.js";
import { REASON_MAX } from "./rules.js";

/**
 * @typedef {{version: string, state: string, workers: number, reason: string | null}} Version
 * @typedef {{name: string, default_version: string, price_credits: number, is_enabled: boolean, versions: Version[],
 *   recent: {median_ms: number, p95_ms: number, samples: number} | null}} AdminModel
 */

const PRICE_MAX = 999_999_999;
/** @type {Record<string, string>} */
const TONES = { live: "succeeded", sleeping: "queued", loading: "processing", broken: "failed", gone: "expired" };

/** @param {{version: Version, isDefault: boolean}} props */
function VersionLine({ version: { version, state, workers, reason }, isDefault }) {
  const word = has(`model_state.${state}`) ? t(`model_state.${state}`) : state;
  return html`<div class="stack stack--tight">
    <span class="row">
      <span class="mono">${version}</span>
      <span class=${`chip chip--${TONES[state] ?? "queued"}`}>${word}</span>
      ${isDefault ? html`<span class="tag">${t("operate.default")}</span>` : null}
      <span class="muted small">${t("operate.n_workers", { n: workers })}</span>
    </span>
    ${reason ? html`<span class="small muted">${reason}</span>` : null}
  </div>`;
}

/** @param {(one: AdminModel) => void} edit */
const columnsOf = (edit) => [
  { key: "name", head: t("history.model"), class: "cell--name", cell: (/** @type {AdminModel} */ one) => html`<strong>${one.name}</strong>${one.is_enabled ? null : html` <span class="tag">${t("operate.disabled")}</span>`}` },
  {
    key: "versions", head: t("operate.versions"), class: "cell--grow",
    cell: (/** @type {AdminModel} */ one) => html`<div class="stack stack--small">
      ${one.versions.map((version) => html`<${VersionLine} key=${version.version} version=${version} isDefault=${version.version === one.default_version} />`)}
    </div>`,
  },
  { key: "recent", head: t("operate.median"), align: /** @type {const} */ ("end"), cell: (/** @type {AdminModel} */ one) => (one.recent ? fmt.duration(one.recent.median_ms) : "—") },
  { key: "price", head: t("operate.price"), align: /** @type {const} */ ("end"), cell: (/** @type {AdminModel} */ one) => t("unit.credits", { n: one.price_credits }) },
  ...(may("admin") ? [editColumn(edit)] : []),
];

/** @param {(one: AdminModel) => void} edit */
const editColumn = (edit) => ({
  key: "edit", head: html`<span class="visually-hidden">${t("operate.edit")}</span>`, align: /** @type {const} */ ("end"),
  cell: (/** @type {AdminModel} */ one) => html`<${Button} size="small" aria-label=${t("operate.edit_model", { model: one.name })} onClick=${() => edit(one)}>${t("operate.edit")}</${Button}>`,
});

/** @param {{model: AdminModel, onClose: () => void, onSaved: () => void}} props */
function Edit({ model, onClose, onSaved }) {
  const [price, setPrice] = useState(String(model.price_credits));
  const [version, setVersion] = useState(model.default_version);
  const [isEnabled, setEnabled] = useState(model.is_enabled);
  const [reason, setReason] = useState("");
  const save = async () => {
    Faults.check({ price_credits: wholeFault(price, 0, PRICE_MAX), reason: reason.trim() ? null : t("fault.required") });
    /** @type {Record<string, unknown>} */
    const changes = {};
    const credits = Number(numberOf(price, true) ?? model.price_credits);
    if (credits !== model.price_credits) changes.price_credits = credits;
    if (version !== model.default_version) changes.default_version = version;
    if (isEnabled !== model.is_enabled) changes.is_enabled = isEnabled;
    if (Object.keys(changes).length > 0) {
      await api.patch(`/admin/models/${encodeURIComponent(model.name)}`, { ...changes, reason });
      toast("price_credits" in changes ? t("operate.price_changed", { model: model.name, n: credits }) : t("operate.model_changed", { model: model.name }));
    }
    onSaved();
  };
  return html`<${Confirm} title=${model.name} text=${t("operate.edit_text")} action=${t("action.save")} onConfirm=${save} onClose=${onClose} fields=${["price_credits", "default_version", "reason"]}>
    ${(/** @type {unknown} */ error) => html`
    <${TextField} label=${t("operate.price_label")} inputmode="numeric" autocomplete="off" required=${true} error=${about(error, "price_credits")} value=${price} onValue=${setPrice} />
    <${SelectField} label=${t("operate.default_version")} error=${about(error, "default_version")} value=${version} onValue=${setVersion}
      options=${model.versions.map((one) => ({ value: one.version, label: one.version }))} />
    <${CheckField} label=${t("operate.is_enabled")} hint=${t("operate.is_enabled_hint")} value=${isEnabled} onValue=${setEnabled} />
    <${TextField} label=${t("operate.reason")} hint=${t("operate.reason_hint")} required=${true} maxlength=${REASON_MAX} error=${about(error, "reason")} value=${reason} onValue=${setReason} />`}
  </${Confirm}>`;
}

/** A model that no worker has ever loaded is not among the models: only the workers know of it. @param {{known: string[]}} props */
function NeverLoaded({ known }) {
  const { data } = useQuery((signal) => api.get("/admin/workers", { signal }), []);
  /** @type {Map<string, string>} */
  const broken = new Map();
  for (const worker of data?.items ?? []) {
    for (const { model, state, reason } of worker.models) if (state === "failed" && !known.includes(model)) broken.set(model, reason ?? "");
  }
  return html`${[...broken].map(
    ([name, reason]) => html`<${Banner} key=${name} kind="danger"><strong>${t("operate.cannot_load", { model: name })}</strong><p class="small">${reason}</p></${Banner}>`,
  )}`;
}

export function Models() {
  const { data, error, reload } = useQuery((signal) => api.get("/admin/models", { signal }), []);
  const [edited, setEdited] = useState(/** @type {AdminModel | null} */ (null));
  const saved = () => {
    reload();
    reloadModels().catch(() => undefined);
  };
  if (error) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  return html`<div class="stack">
    ${data ? html`<${NeverLoaded} known=${data.items.map((/** @type {AdminModel} */ one) => one.name)} />` : null}
    <${Section} title=${t("operate.models")} isFlush=${true}>
    <${Table} label=${t("operate.models")} columns=${columnsOf(setEdited)} rows=${data?.items ?? null}
      empty=${html`<p class="card__note muted">${t("operate.no_models")}</p>`} keyOf=${(/** @type {AdminModel} */ one) => one.name} />
    ${edited ? html`<${Edit} model=${edited} onSaved=${saved} onClose=${() => setEdited(null)} />` : null}
    </${Section}>
  </div>`;
}
