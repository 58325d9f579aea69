/** Users: who has an account here; found by a part of the name. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { Found, SearchForm } from "../../components/search_form.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { fmt, t } from "../../i18n/index.js";
import { place, setQuery } from "../../router.js";

/**
 * @typedef {{id: string, username: string, balance: number, held: number, role: import("../../session.js").Role | null, is_demo: boolean,
 *   is_blocked: boolean, is_deleted: boolean, created_at: string, last_seen_at: string | null}} AdminUser
 */

const TYPING_MS = 300; // between a letter and the search

/** @param {{user: AdminUser}} props */
export function Tags({ user }) {
  const tags = /** @type {const} */ (["is_demo", "is_blocked", "is_deleted"]).filter((name) => user[name]);
  const role = user.role ? html`<span class="tag">${t(`role.${user.role}`)}</span> ` : null;
  return html`${role}${tags.map((name) => html`<span key=${name} class=${`tag ${name === "is_blocked" ? "tag--danger" : ""}`}>${t(`operate.${name}`)}</span> `)}`;
}

const columns = () => [
  {
    key: "username", head: t("auth.name"), class: "cell--grow",
    cell: (/** @type {AdminUser} */ one) => html`<a href=${`/app/operate/users/${one.id}`}>${one.username}</a> <${Tags} user=${one} />`,
  },
  { key: "balance", head: t("credits.balance"), align: /** @type {const} */ ("end"), cell: (/** @type {AdminUser} */ one) => html`<span class="num">${fmt.number(one.balance)}</span>` },
  { key: "held", head: t("credits.held"), align: /** @type {const} */ ("end"), cell: (/** @type {AdminUser} */ one) => html`<span class="num">${fmt.number(one.held)}</span>` },
  { key: "created", head: t("operate.created"), cell: (/** @type {AdminUser} */ one) => html`<${Time} at=${one.created_at} />` },
  { key: "seen", head: t("operate.seen"), cell: (/** @type {AdminUser} */ one) => html`<${Time} at=${one.last_seen_at} isAgo=${true} />` },
];

export function Users() {
  const q = place.value.query.q ?? "";
  const [text, setText] = useState(q);
  const list = useList("/admin/users", { q, limit: 50 });
  const find = () => setQuery({ q: text.trim() });
  useEffect(() => {
    const timer = setTimeout(find, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const search = html`<${SearchForm} label=${t("operate.find_user")} value=${text} onValue=${setText} onSearch=${find} />`;
  return html`<${Section} title=${t("operate.users")} actions=${search} isFlush=${true}>
    ${list.error ? html`<${ErrorState} error=${list.error} onRetry=${list.reload} />` : null}
    ${list.error && !list.items
      ? null
      : html`<${Table} label=${t("operate.users")} columns=${columns()} rows=${list.items} keyOf=${(/** @type {AdminUser} */ one) => one.id}
          empty=${html`<${EmptyState} icon="person" title=${t("operate.no_users")} />`} />`}
    <${MoreButton} list=${list} />
    <${Found} rows=${q ? list.items : null} hasMore=${list.hasMore} />
  </${Section}>`;
}
