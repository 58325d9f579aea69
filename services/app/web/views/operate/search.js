/** Search: whatever somebody quotes: an id, a number, how a key or a name begins. SearchField stands above all parts. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api.js";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { useQuery } from "../../components/hooks.js";
import { Found, SearchForm } from "../../components/search_form.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { t } from "../../i18n/index.js";
import { go, place } from "../../router.js";
import { ownerColumn } from "./owner.js";
import { FOUND_MAX } from "./rules.js";

/** @typedef {{kind: string, id: string, user_id: string, username: string, title: string, at: string}} Thing */

const ADDRESS = "/app/operate/search";
const KEY_SHOWN = 10; // of an API key no more is sent: addresses stand in logs
const LENGTH_MAX = 100;

/** @param {string} text @returns {string} what may stand in an address */
const searchedFor = (text) => (text.trim().startsWith("mls_") ? text.trim().slice(0, KEY_SHOWN) : text.trim());

export function SearchField() {
  const q = place.value.query.q ?? "";
  const isHere = location.pathname === ADDRESS;
  const [text, setText] = useState(isHere ? q : "");
  useEffect(() => {
    if (isHere) setText(q);
  }, [q, isHere]);
  const find = () => {
    if (searchedFor(text)) go(`${ADDRESS}?q=${encodeURIComponent(searchedFor(text))}`);
  };
  return html`<${SearchForm} label=${t("operate.search_all")} value=${text} onValue=${setText} onSearch=${find} maxlength=${LENGTH_MAX} />`;
}

/** @param {Thing} one */
const addressOf = (one) => (one.kind === "prediction" ? `/app/operate/predictions/${one.id}` : `/app/operate/users/${one.user_id}`);

const columns = () => [
  { key: "kind", head: t("operate.kind"), cell: (/** @type {Thing} */ one) => t(`found.${one.kind}`) },
  { key: "id", head: t("history.fact.id"), class: "cell--grow", cell: (/** @type {Thing} */ one) => html`<a class="mono small" href=${addressOf(one)}>${one.id}</a>` },
  { key: "title", head: t("operate.target"), cell: (/** @type {Thing} */ one) => html`<span class="name truncate" title=${one.title}>${one.title}</span>` },
  ownerColumn(),
  { key: "at", head: t("operate.at"), cell: (/** @type {Thing} */ one) => html`<${Time} at=${one.at} />` },
];

/** Of names and of keys only so many are looked for. @param {Thing[]} found */
const isCut = (found) => ["user", "api_key"].some((kind) => found.filter((one) => one.kind === kind).length >= FOUND_MAX);

export function Search() {
  const q = place.value.query.q ?? "";
  const { data, error, reload } = useQuery(async (signal) => (q ? api.get("/admin/search", { query: { q }, signal }) : { items: [] }), [q]);
  if (error) return html`<${ErrorState} error=${error} onRetry=${reload} />`;
  return html`<${Section} title=${t("operate.search")} text=${t("operate.search_text")} isFlush=${true}>
    <${Table} label=${t("operate.search")} columns=${columns()} rows=${data?.items ?? null} keyOf=${(/** @type {Thing} */ one) => `${one.kind} ${one.id}`}
      empty=${html`<${EmptyState} icon="search" title=${t("operate.search_nothing")} />`} />
    <${Found} rows=${q && data ? data.items : null} hasMore=${isCut(data?.items ?? [])} />
  </${Section}>`;
}
