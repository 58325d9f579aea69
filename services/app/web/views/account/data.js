/** Data: <${Data} me />: take all of one's data along, or have the account deleted. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Button } from "../../components/button.js";
import { Confirm } from "../../components/dialog.js";
import { TextField } from "../../components/field.js";
import { Section } from "../../components/section.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { t } from "../../i18n/index.js";
import { download, today } from "../../lib/download.js";
import { go } from "../../router.js";
import { forgetSession } from "../../session.js";

function Export() {
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    await download("/users/me/export", {}, `ml-service-${today()}.jsonl`).catch((error) => toast(explain(error), { kind: "danger" }));
    setBusy(false);
  };
  return html`<${Button} icon="download" isBusy=${isBusy} onClick=${save}>${t("account.export")}</${Button}>`;
}

/** @param {{onClose: () => void}} props */
function Delete({ onClose }) {
  const [password, setPassword] = useState("");
  const confirm = async () => {
    await api.delete("/users/me", { password });
    forgetSession();
    go("/");
    toast(t("account.deleted"));
  };
  return html`<${Confirm} title=${t("account.delete_title")} text=${t("account.delete_text")} action=${t("account.delete")} kind="danger"
    onConfirm=${confirm} onClose=${onClose}>
    <${TextField} label=${t("auth.password")} type="password" autocomplete="current-password" value=${password} onValue=${setPassword} />
  </${Confirm}>`;
}

/** @param {{me: import("../../session.js").User}} props */
export function Data({ me }) {
  const [isAsking, setAsking] = useState(false);
  return html`<${Section} title=${t("account.data")} text=${t("account.data_text")}>
    <div class="row">
      <${Export} />
      ${me.is_demo ? null : html`<${Button} icon="trash" onClick=${() => setAsking(true)}>${t("account.delete")}</${Button}>`}
    </div>
    ${isAsking ? html`<${Delete} onClose=${() => setAsking(false)} />` : null}
  </${Section}>`;
}
