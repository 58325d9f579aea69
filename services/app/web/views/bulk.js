/** Many at once: lines or a file, one price, one bar, one file back. A reload finds the running job. */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";
import { followJob, isElsewhere, isKnown, job } from "../bulk/current_job.js";
import { EmptyState, ErrorState } from "../components/empty_state.js";
import { Page } from "../components/page.js";
import { Loading, Skeleton } from "../components/skeleton.js";
import { useModels } from "../components/use_models.js";
import { t } from "../i18n/index.js";
import { models } from "../service.js";
import { user } from "../session.js";
import { JobCard } from "./bulk/job_card.js";
import { NewJob } from "./bulk/new_job.js";

export default function Bulk() {
  const { error, reload } = useModels();
  useEffect(() => followJob(user.value?.id ?? null), [user.value?.id]);
  return html`<${Page} title=${t("nav.bulk")}><${Body} error=${error} reload=${reload} /></${Page}>`;
}

/** @param {{error: unknown, reload: () => void}} props */
function Body({ error, reload }) {
  if (isElsewhere.value) return html`<${EmptyState} icon="rows" title=${t("bulk.elsewhere")} text=${t("bulk.elsewhere_text")} />`;
  if (job.value.job) return html`<${JobCard} state=${job.value} />`;
  if (error) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  const found = models.value;
  if (!found || !isKnown.value) return html`<${Loading}><${Skeleton} class="skeleton--block" /></${Loading}>`;
  if (found.length === 0) return html`<${EmptyState} icon="spark" title=${t("bulk.no_models")} />`;
  return html`<${NewJob} models=${found} />`;
}
