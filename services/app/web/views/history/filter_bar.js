/** FilterBar: <${FilterBar} filters id />: what of the history is wanted; every change goes into the address. */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Button } from "../../components/button.js";
import { SelectField, TextField } from "../../components/field.js";
import { useKey } from "../../components/hooks.js";
import { Icon } from "../../components/icon.js";
import { SearchForm } from "../../components/search_form.js";
import { idIn, isFiltered, searchOf, SOURCES, STATES } from "../../history/filters.js";
import { t } from "../../i18n/index.js";
import { go, setQuery } from "../../router.js";
import { loadModels, models } from "../../service.js";

/** @typedef {import("../../history/filters.js").Filters} Filters */

/** @param {Filters} filters */
const show = (filters) => go(`/app/history${searchOf(filters)}`);

/** @param {{filters: Filters}} props */
function States({ filters }) {
  /** @param {string} state */
  const toggle = (state) => {
    const { states } = filters;
    show({ ...filters, states: states.includes(state) ? states.filter((one) => one !== state) : [...states, state] });
  };
  return html`<fieldset class="chips">
    <legend class="visually-hidden">${t("history.state")}</legend>
    ${STATES.map(
      (state) => html`<label key=${state} class="chip-check">
        <input type="checkbox" checked=${filters.states.includes(state)} onChange=${() => toggle(state)} />
        <span>${t(`status.${state}`)}</span>
      </label>`,
    )}
  </fieldset>`;
}

/** @param {{id: string}} props */
function Search({ id }) {
  const [text, setText] = useState(id);
  const [isWrong, setWrong] = useState(false);
  useEffect(() => setText(id), [id]);
  useKey("/", (event) => {
    event.preventDefault();
    /** @type {HTMLElement | null} */ (document.querySelector(".filters .search input"))?.focus();
  });
  const find = () => {
    const found = idIn(text);
    setWrong(text.trim() !== "" && !found);
    if (found || text.trim() === "") setQuery({ id: found, open: null }, { replace: false });
  };
  /** @param {string} value */
  const type = (value) => {
    setText(value);
    setWrong(false);
    if (value === "" && id) setQuery({ id: null });
  };
  return html`<${SearchForm} label=${t("history.search")} value=${text} onValue=${type} onSearch=${find}
    error=${isWrong ? t("history.not_an_id") : null} />`;
}

/** @param {{filters: Filters}} props */
function Selects({ filters }) {
  const names = [...new Set([...(models.value ?? []).map(({ name }) => name), ...(filters.model ? [filters.model] : [])])];
  const any = { value: "", label: t("history.any") };
  /** @param {keyof Filters} name */
  const set = (name) => (/** @type {string} */ value) => show({ ...filters, [name]: value });
  return html`
    <${SelectField} label=${t("history.model")} value=${filters.model} onValue=${set("model")}
      options=${[any, ...names.map((value) => ({ value, label: value }))]} />
    <${SelectField} label=${t("history.source")} value=${filters.source} onValue=${set("source")}
      options=${[any, ...SOURCES.map((value) => ({ value, label: t(`source.${value}`) }))]} />
    <${TextField} label=${t("history.from")} type="date" max=${filters.to || undefined} value=${filters.from} onValue=${set("from")} />
    <${TextField} label=${t("history.to")} type="date" min=${filters.from || undefined} value=${filters.to} onValue=${set("to")} />
  `;
}

/** @param {{filters: Filters, id: string}} props */
export function FilterBar({ filters, id }) {
  const [isOpen, setOpen] = useState(isFiltered(filters));
  useEffect(() => void loadModels().catch(() => undefined), []);
  return html`<div class="filters">
    <div class="filters__top">
      <${Search} id=${id} />
      <button
        type="button"
        class="button button--secondary filters__toggle"
        aria-expanded=${isOpen ? "true" : "false"}
        aria-controls="filters"
        onClick=${() => setOpen(!isOpen)}
      >
        ${t("history.filters")}<${Icon} name="down" />
      </button>
    </div>
    <div class=${`filters__more ${isOpen ? "filters__more--open" : ""}`} id="filters">
      <${States} filters=${filters} />
      <div class="filters__selects">
        <${Selects} filters=${filters} />
        ${isFiltered(filters)
          ? html`<${Button} kind="quiet" icon="cross" onClick=${() => go("/app/history")}>${t("history.clear")}</${Button}>`
          : null}
      </div>
    </div>
  </div>`;
}
