/** StatusChip: <${StatusChip} status="queued" />: a state of a prediction as a colour and an icon and a word. */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { Icon } from "./icon.js";

/** @type {Record<string, string>} */
const ICONS = {
  queued: "clock",
  processing: "dots",
  succeeded: "check",
  failed: "cross",
  canceled: "minus",
  expired: "hourglass",
};

/** @param {{status: string}} props */
export function StatusChip({ status }) {
  return html`<span class=${`chip chip--${status}`}>
    <${Icon} name=${ICONS[status] ?? "info"} />${t(`status.${status}`)}
  </span>`;
}
