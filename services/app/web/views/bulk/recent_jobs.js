/** RecentJobs: the user's last bulk jobs, each of which can be opened: its file is to be had as long as its texts are kept. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { runner } from "../../bulk/current_job.js";
import { jobsOf } from "../../bulk/jobs.js";
import { Button } from "../../components/button.js";
import { useQuery } from "../../components/hooks.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { fmt, t } from "../../i18n/index.js";
import { user } from "../../session.js";

/** @typedef {import("../../bulk/types.js").Remote} Remote */

const SHOWN = 5;

/** @param {Remote} one @returns {string} */
function stateOf({ status, finished_at: finishedAt }) {
  if (status === "failed") return t("bulk.count.failed");
  if (finishedAt !== null) return t(`bulk.phase.${status}`);
  return t(status === "canceled" ? "bulk.phase.canceling" : "bulk.phase.running");
}

/** @param {{job: Remote}} props */
function Open({ job }) {
  const [isBusy, setBusy] = useState(false);
  const open = async () => {
    setBusy(true);
    await (await runner()).open(job, user.peek()?.id ?? "");
  };
  return html`<${Button} size="small" isBusy=${isBusy} onClick=${open}>${t("bulk.open")}</${Button}>`;
}

const columns = () => [
  { key: "at", head: t("bulk.started"), cell: (/** @type {Remote} */ one) => html`<${Time} at=${one.created_at} />` },
  { key: "model", head: t("bulk.model"), class: "cell--grow", cell: (/** @type {Remote} */ one) => one.model },
  { key: "rows", head: t("bulk.rows"), align: /** @type {const} */ ("end"), cell: (/** @type {Remote} */ one) => fmt.number(one.lines) },
  { key: "state", head: t("bulk.state"), cell: stateOf },
  { key: "open", head: html`<span class="visually-hidden">${t("bulk.open")}</span>`, align: /** @type {const} */ ("end"), cell: (/** @type {Remote} */ one) => html`<${Open} job=${one} />` },
];

export function RecentJobs() {
  // It is a help beside the form: where it does not come, the form is all there is.
  const { data } = useQuery(() => jobsOf(api).recent(SHOWN), []);
  if (!data?.length) return null;
  return html`<${Section} title=${t("bulk.recent")} isFlush>
    <${Table} label=${t("bulk.recent")} columns=${columns()} rows=${data} keyOf=${(/** @type {Remote} */ one) => one.bulk_id} />
  </${Section}>`;
}
