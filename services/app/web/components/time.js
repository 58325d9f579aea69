/**
 * Time: <${Time} at=${iso} />: short, in the person's zone and language, the full moment on hover; isAgo: "3 minutes ago".
 */
import { html } from "htm/preact";
import { fmt } from "../i18n/index.js";

/** @param {{at: string | null | undefined, isAgo?: boolean}} props */
export function Time({ at, isAgo = false }) {
  if (!at) return html`<span class="faint">—</span>`;
  return html`<time datetime=${at} title=${fmt.fullMoment(at)}>${isAgo ? fmt.ago(at) : fmt.moment(at)}</time>`;
}
