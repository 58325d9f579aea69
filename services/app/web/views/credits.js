/** Credits: what there is, what is held, where it went. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../api.js";
import { Banner } from "../components/banner.js";
import { Button } from "../components/button.js";
import { HOW_ID, HowLink, howWords } from "../components/credits_how.js";
import { useQuery } from "../components/hooks.js";
import { Page } from "../components/page.js";
import { Section } from "../components/section.js";
import { Stats } from "../components/stats.js";
import { toast } from "../components/toast.js";
import { explain } from "../errors.js";
import { fmt, t } from "../i18n/index.js";
import { startOfMonth } from "../lib/days.js";
import { download, today } from "../lib/download.js";
import { balance, held } from "../live.js";
import { Spending } from "./credits/spending.js";
import { Statement } from "./credits/statement.js";

function Save() {
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    await download("/transactions", { format: "csv" }, `transactions-${today()}.csv`).catch((error) =>
      toast(explain(error), { kind: "danger" }),
    );
    setBusy(false);
  };
  return html`<${Button} icon="download" isBusy=${isBusy} onClick=${save}>${t("credits.csv")}</${Button}>`;
}

export default function Credits() {
  // What is captured changes the month's sum; it is asked for again when the held credits change.
  const onHold = held.value;
  const month = useQuery((signal) => api.get("/usage", { query: { by: "day", from: startOfMonth() }, signal }), [onHold === 0]);
  const wallet = useQuery((signal) => api.get("/balance", { signal }), []);
  const has = balance.value ?? wallet.data?.balance ?? null;
  const holds = onHold ?? wallet.data?.held ?? null;
  useEffect(() => {
    if (location.hash === `#${HOW_ID}`) document.getElementById(HOW_ID)?.scrollIntoView({ block: "center" });
  }, []);
  const items = [
    { label: t("credits.balance"), value: has === null ? null : fmt.number(has) },
    { label: t("credits.held"), value: holds === null ? null : fmt.number(holds), hint: t("credits.held_hint") },
    { label: t("credits.month"), value: month.data ? fmt.number(month.data.credits_total) : month.error ? "—" : null },
  ];
  return html`<${Page} title=${t("nav.credits")} actions=${html`<${Save} />`}>
    <${Stats} items=${items} />
    ${has === 0 ? html`<${Banner}>${t("credits.none")} <${HowLink} /></${Banner}>` : null}
    <div id=${HOW_ID} class="anchor"><${Section} title=${t("how.title")} text=${howWords()} /></div>
    <${Spending} />
    <${Statement} />
  </${Page}>`;
}
