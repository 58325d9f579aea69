/**
 * How credits are come by, in the same words everywhere: howWords() → a sentence for the person who is signed in ·
 * HOW_ADDRESS, where it stands · <${HowLink} /> leads there.
 */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { user } from "../session.js";

export const HOW_ID = "how";
export const HOW_ADDRESS = `/app/credits#${HOW_ID}`;

/** @returns {string} */
export function howWords() {
  const me = user.value;
  if (me?.is_demo) return t("how.demo");
  return t(me?.is_admin ? "how.admin" : "how.text", { name: me?.username });
}

export function HowLink() {
  return html`<a href=${HOW_ADDRESS}>${t("how.title")}</a>`;
}
