/** Audit: every credit counted again from the beginning. */
import { html } from "htm/preact";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Section } from "../../components/section.js";
import { Loading, Skeleton } from "../../components/skeleton.js";
import { Stats } from "../../components/stats.js";
import { Table } from "../../components/table.js";
import { fmt, t } from "../../i18n/index.js";

/** @typedef {{check: string, detail: string}} Violation */

const SUMS = /** @type {const} */ (["issued", "wallets", "held", "revenue"]);

const columns = () => [
  { key: "check", head: t("operate.check"), cell: (/** @type {Violation} */ one) => html`<strong>${one.check}</strong>` },
  { key: "detail", head: t("operate.detail"), class: "cell--grow", cell: (/** @type {Violation} */ one) => one.detail },
];

export function Audit() {
  const { data, error, isLoading, reload } = useQuery((signal) => api.get("/admin/audit", { signal, retry: false }), []);
  const again = html`<${Button} size="small" icon="repeat" isBusy=${isLoading} onClick=${reload}>${t("operate.check_again")}</${Button}>`;
  return html`<${Section} title=${t("operate.audit")} text=${t("operate.audit_text")} actions=${again}>
    ${error
      ? html`<${ErrorState} error=${error} onRetry=${reload} />
          <p class="muted small">${t("operate.audit_large")}</p>`
      : null}
    ${!data && !error ? html`<${Loading}><${Skeleton} class="skeleton--line" /></${Loading}>` : null}
    ${data?.is_clean ? html`<${Banner} kind="success">${t("operate.audit_clean", { at: fmt.moment(data.checked_at) })}</${Banner}>` : null}
    ${data
      ? html`<${Stats} items=${SUMS.map((name) => ({ label: t(`operate.${name}`), value: fmt.number(data[name]) }))} />
          <p class="muted small">${t("operate.audit_sum")}</p>`
      : null}
    ${data && !data.is_clean
      ? html`<${Banner} kind="danger">${t("operate.audit_failed", { n: data.violations.length })}</${Banner}>
          <${Table} label=${t("operate.audit")} columns=${columns()} rows=${data.violations} />`
      : null}
  </${Section}>`;
}
