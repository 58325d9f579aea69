/** Operate: what an admin needs to see and to mend, a part at a time. */
import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";
import { Page } from "../components/page.js";
import { EmptyState } from "../components/empty_state.js";
import { t } from "../i18n/index.js";
import { Actions } from "./operate/actions.js";
import { Audit } from "./operate/audit.js";
import { DeadLetters } from "./operate/dead_letters.js";
import { Models } from "./operate/models.js";
import { Overview } from "./operate/overview.js";
import { Predictions } from "./operate/predictions.js";
import { Search, SearchField } from "./operate/search.js";
import { UserPage } from "./operate/user_page.js";
import { Users } from "./operate/users.js";
import { AdminWebhooks } from "./operate/webhooks.js";

/** @type {Record<string, any>} */
const PARTS = {
  overview: Overview,
  models: Models,
  users: Users,
  predictions: Predictions,
  webhooks: AdminWebhooks,
  "dead-letters": DeadLetters,
  audit: Audit,
  actions: Actions,
};

/** @param {{params: Record<string, string>}} props */
export default function Operate({ params }) {
  const part = params.part ?? "overview";
  const id = params.id ?? null;
  const tabs = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  useEffect(() => tabs.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [part]);
  const Part = part === "users" && id ? UserPage : part === "search" ? Search : PARTS[part];
  return html`<${Page} title=${t("nav.operate")} part=${Part ? t(`operate.${part}`) : undefined}>
    <${SearchField} />
    <nav class="tabs" ref=${tabs} aria-label=${t("nav.operate")}>
      ${Object.keys(PARTS).map(
        (name) => html`<a key=${name} class="tabs__one" href=${`/app/operate/${name}`} aria-current=${name === part ? "page" : undefined}>
          ${t(`operate.${name}`)}
        </a>`,
      )}
    </nav>
    ${Part
      ? html`<${Part} key=${`${part} ${id ?? ""}`} id=${id} />`
      : html`<${EmptyState} icon="search" title=${t("state.not_found")} text=${t("state.not_found_text")} />`}
  </${Page}>`;
}
