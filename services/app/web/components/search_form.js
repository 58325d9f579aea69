/**
 * SearchForm: <${SearchForm} label value onValue onSearch=${() => …} error=${text | null} />: what to search for, and the
 * button. A landmark with a name, since a view may have two. Other props go to the input.
 * Found: <${Found} rows=${any[] | null} hasMore />: how many a search has found or, where it has more, how many are shown, for screen readers: the focus stays where one types.
 */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { Button } from "./button.js";
import { TextField } from "./field.js";

/**
 * @param {{label: string, value: string, onValue: (value: string) => void, onSearch: () => void, error?: string | null,
 *   [name: string]: any}} props
 */
export function SearchForm({ label, onSearch, ...props }) {
  /** @param {Event} event */
  const onSubmit = (event) => {
    event.preventDefault();
    onSearch();
  };
  return html`<form class="search" role="search" aria-label=${label} onSubmit=${onSubmit}>
    <${TextField} label=${label} isLabelHidden=${true} isErrorSaid=${true} type="search" placeholder=${label} autocomplete="off" spellcheck=${false} ...${props} />
    <${Button} type="submit" icon="search" label=${t("action.find")} />
  </form>`;
}

/** @param {{rows: unknown[] | null, hasMore?: boolean}} props null: nothing was searched for, or it is not known yet */
export function Found({ rows, hasMore = false }) {
  return html`<p class="visually-hidden" role="status">${rows ? t(hasMore ? "action.found_first" : "action.found", { n: rows.length }) : ""}</p>`;
}
