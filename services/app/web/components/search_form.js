/**
 * SearchForm: <${SearchForm} label value onValue onSearch=${() => …} error=${text | null} />: what to search for, and the
 * button. A landmark with a name, since a view may have two. Other props go to the input.
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
    <${TextField} label=${label} isLabelHidden=${true} type="search" placeholder=${label} autocomplete="off" spellcheck=${false} ...${props} />
    <${Button} type="submit" icon="search" label=${t("action.find")} />
  </form>`;
}
