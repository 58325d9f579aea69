/** ownerColumn(): a table's column with the user that a row belongs to, as a link to them. */
import { html } from "htm/preact";
import { t } from "../../i18n/index.js";

/** @typedef {{user_id: string, username: string}} Owned */

export const ownerColumn = () => ({
  key: "user", head: t("operate.owner"),
  cell: (/** @type {Owned} */ one) => html`<a class="name truncate" title=${one.username} href=${`/app/operate/users/${one.user_id}`}>${one.username}</a>`,
});
