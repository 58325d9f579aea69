/** Sessions: where one is signed in, and the way to end it. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { t } from "../../i18n/index.js";

/** @typedef {{id: string, created_at: string, last_used_at: string, client: string | null, address: string | null, is_current: boolean}} SignIn */

/** @param {string | null} client what the service calls it, such as "Chrome on Linux" */
function clientWords(client) {
  if (client === null) return t("account.session_unknown");
  const [browser, system] = client.split(" on ");
  return system ? t("account.session_on", { browser, system }) : client;
}

/** @param {(one: SignIn) => void} end @param {string | null} busy */
const columnsOf = (end, busy) => [
  {
    key: "client",
    head: t("account.session_client"),
    class: "cell--grow",
    cell: (/** @type {SignIn} */ one) => html`<span>${clientWords(one.client)}${one.is_current ? html` <span class="tag">${t("account.session_this")}</span>` : null}</span>`,
  },
  { key: "address", head: t("account.session_address"), cell: (/** @type {SignIn} */ one) => html`<span class="mono">${one.address ?? "—"}</span>` },
  { key: "used", head: t("account.session_used"), cell: (/** @type {SignIn} */ one) => html`<${Time} at=${one.last_used_at} isAgo=${true} />` },
  {
    key: "end",
    head: html`<span class="visually-hidden">${t("account.session_end")}</span>`,
    align: /** @type {const} */ ("end"),
    cell: (/** @type {SignIn} */ one) =>
      one.is_current
        ? null
        : html`<${Button} size="small" kind="quiet" isBusy=${busy === one.id} onClick=${() => end(one)}>${t("account.session_end")}</${Button}>`,
  },
];

export function Sessions() {
  const { data, error, reload } = useQuery((signal) => api.get("/users/me/sessions", { signal }), []);
  const [busy, setBusy] = useState(/** @type {string | null} */ (null));
  /** @param {string} path @param {string} id */
  const end = async (path, id) => {
    setBusy(id);
    await api.delete(path).catch((found) => toast(explain(found), { kind: "danger" }));
    setBusy(null);
    reload();
  };
  /** @type {SignIn[] | null} */
  const sessions = data?.items ?? null;
  const others = (sessions ?? []).some((one) => !one.is_current);
  const all = others
    ? html`<${Button} size="small" isBusy=${busy === "all"} onClick=${() => end("/users/me/sessions", "all")}>${t("account.session_end_all")}</${Button}>`
    : null;
  const columns = columnsOf((one) => void end(`/users/me/sessions/${one.id}`, one.id), busy);
  return html`<${Section} title=${t("account.sessions")} actions=${all} isFlush=${true}>
    ${error
      ? html`<${ErrorState} error=${error} onRetry=${reload} />`
      : html`<${Table} label=${t("account.sessions")} columns=${columns} rows=${sessions} skeletonRows=${2} keyOf=${(/** @type {SignIn} */ one) => one.id} />`}
  </${Section}>`;
}
