/**
 * EmptyState: <${EmptyState} icon="clock" title="Nothing here yet" text="…" action=${node} />; isPage: it is all that the view has.
 * ErrorState: <${ErrorState} error=${ApiError} onRetry=${…} />: what happened, the request id to quote, and a way on.
 */
import { html } from "htm/preact";
import { sentenceOf } from "../errors.js";
import { t } from "../i18n/index.js";
import { later } from "../loading.js";
import { ApiError } from "../problem.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

const CopyButton = later(async () => (await import("./copy_button.js")).CopyButton);

/** @param {{icon?: string, title: any, text?: any, action?: any, isPage?: boolean}} props */
export function EmptyState({ icon = "info", title, text, action, isPage = false }) {
  return html`<div class="empty">
    <span class="empty__icon"><${Icon} name=${icon} /></span>
    ${isPage ? html`<h1 class="empty__title">${title}</h1>` : html`<p class="empty__title">${title}</p>`}
    ${text ? html`<p class="muted">${text}</p>` : null}
    ${action ? html`<div class="row">${action}</div>` : null}
  </div>`;
}

/** @param {{error: unknown, onRetry?: () => void}} props */
export function ErrorState({ error, onRetry }) {
  const requestId = error instanceof ApiError && error.status >= 500 ? error.requestId : null;
  const text = requestId
    ? html`${t("error.quote")} <code>${requestId}</code> <${CopyButton} text=${requestId} isSmall />`
    : null;
  const action = onRetry ? html`<${Button} icon="repeat" onClick=${onRetry}>${t("action.retry")}</${Button}>` : null;
  return html`<div role="alert">
    <${EmptyState} icon="alert" title=${sentenceOf(error)} text=${text} action=${action} />
  </div>`;
}
