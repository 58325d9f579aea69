/** Actions: what admins have changed, by whom and why. Nothing is ever taken out of this log. */
import { html } from "htm/preact";
import { EmptyState, ErrorState } from "../../components/empty_state.js";
import { Section } from "../../components/section.js";
import { Table } from "../../components/table.js";
import { Time } from "../../components/time.js";
import { MoreButton, useList } from "../../components/use_list.js";
import { fmt, has, t } from "../../i18n/index.js";
import { writeJson } from "../../lib/json.js";

/** @typedef {{id: number, at: string, actor: string | null, action: string, target: string | null, target_name: string | null, before: any, after: any, reason: string | null}} Action */

/** What a yes or no is called. @type {Record<string, [string, string]>} */
const SWITCHES = {
  is_blocked: ["unblocked", "blocked"],
  is_admin: ["not_admin", "admin"],
  is_enabled: ["not_offered", "offered"],
};

/** @param {string} name @param {any} value @returns {string} */
function shown(name, value) {
  if (name === "price_credits") return value === null ? t("operate.own_price") : t("unit.credits", { n: value });
  if (name === "role") return t(`role.${value ?? "none"}`);
  if (value === undefined || value === null) return "—";
  if (has(`${name}.${value}`)) return t(`${name}.${value}`);
  if (name === "letters" && value === "all") return t("operate.all_letters");
  if (typeof value === "number") return fmt.number(value);
  return typeof value === "object" ? writeJson(value) : String(value);
}

/** @param {string} name @param {any} before @param {any} after @returns {string} "price: 1 credit → 2 credits", "blocked" */
function change(name, before, after) {
  const pair = SWITCHES[name];
  if (pair && typeof after === "boolean") return t(`operate.change.${pair[after ? 1 : 0]}`);
  const key = `operate.change.${name}`;
  const words = { name: has(key) ? t(key) : name, before: shown(name, before), after: shown(name, after) };
  return t(before === undefined ? "operate.becomes_first" : "operate.becomes", words);
}

/** @param {any} before @param {any} after @returns {string} */
function changes(before, after) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return names
    .filter((name) => name !== OWN_PRICE && writeJson(before?.[name]) !== writeJson(after?.[name]))
    .map((name) => change(name, (name === "price_credits" ? before?.[OWN_PRICE] : null) ?? before?.[name], after?.[name]))
    .join(", ");
}

const OWN_PRICE = "own_price_credits"; // what was asked while an admin had set nothing
const ID_SHOWN = 12; // the end of an id is its random part

/** A word of the log, in the person's language where it is no name. @param {string} kind @param {string | null} word */
function named(kind, word) {
  const key = `${kind}.${word}`;
  return has(key) ? t(key) : (word ?? "—");
}

/** "user:…" leads to the user. @param {{target: string | null, name: string | null}} props */
function Target({ target, name }) {
  const [kind, id] = (target ?? "").split(/:(.*)/);
  if (kind === "user" && id && name) return html`<a title=${id} href=${`/app/operate/users/${id}`}>${name}</a>`;
  if (kind === "user" && id) return html`<a class="mono small" title=${id} href=${`/app/operate/users/${id}`}>…${id.slice(-ID_SHOWN)}</a>`;
  return html`${kind === "model" ? id : (target ?? "—")}`;
}

const columns = () => [
  { key: "at", head: t("operate.at"), cell: (/** @type {Action} */ one) => html`<${Time} at=${one.at} />` },
  { key: "actor", head: t("operate.actor"), cell: (/** @type {Action} */ one) => named("actor", one.actor) },
  { key: "action", head: t("operate.action"), cell: (/** @type {Action} */ one) => named("action_log", one.action) },
  { key: "target", head: t("operate.target"), cell: (/** @type {Action} */ one) => html`<${Target} target=${one.target} name=${one.target_name} />` },
  { key: "change", head: t("operate.change"), cell: (/** @type {Action} */ one) => html`<span class="small">${changes(one.before, one.after)}</span>` },
  { key: "reason", head: t("operate.reason"), cell: (/** @type {Action} */ one) => html`<span class="reason">${one.reason ?? ""}</span>` },
];

export function Actions() {
  const list = useList("/admin/actions", { limit: 50 });
  return html`<${Section} title=${t("operate.actions")} text=${t("operate.actions_text")} isFlush=${true}>
    ${list.error ? html`<${ErrorState} error=${list.error} onRetry=${list.reload} />` : null}
    ${list.error && !list.items
      ? null
      : html`<${Table} label=${t("operate.actions")} columns=${columns()} rows=${list.items} keyOf=${(/** @type {Action} */ one) => one.id}
          empty=${html`<${EmptyState} icon="list" title=${t("operate.no_actions")} />`} />`}
    <${MoreButton} list=${list} />
  </${Section}>`;
}
