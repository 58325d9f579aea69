/** KeyForm: <${KeyForm} one=${Key | null} onSaved=${(saved) => …} onClose />: makes an API key, or changes one. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Confirm } from "../../components/dialog.js";
import { CheckField, ErrorText, SelectField, TextField } from "../../components/field.js";
import { about, Faults, wholeFault } from "../../errors.js";
import { t } from "../../i18n/index.js";
import { dayOf, endOf } from "../../lib/days.js";
import { numberOf } from "../../lib/numbers.js";
import { models } from "../../service.js";

/** @typedef {import("./keys.js").Key} Key @typedef {import("./keys.js").Scope} Scope */

const SCOPES = /** @type {const} */ (["predict", "read", "bulk", "webhooks"]);
const NAME_MAX = 100;
/** So that a name is enough to make a key; this much a lost one costs in a day. */
const CAP_AT_FIRST = "100";
const CREDITS_MAX = 1_000_000_000;
const RATE_MAX = 1_000_000;
const FIELDS = ["name", "scopes", "credits", "rate_limit_per_minute", "models", "expires_at"];

/** @param {Key | null} one @returns {string} for a date field */
const lastDayOf = (one) => (one?.expires_at ? dayOf(one.expires_at) : "");

/** @param {Key | null} one */
function useValues(one) {
  const [values, setValues] = useState({
    name: one?.name ?? "",
    scopes: /** @type {Scope[]} */ (one?.scopes ?? ["predict", "read"]),
    per: one ? (one.spend_cap?.per ?? "none") : "day",
    credits: one ? String(one.spend_cap?.credits ?? "") : CAP_AT_FIRST,
    rate: one?.rate_limit_per_minute ? String(one.rate_limit_per_minute) : "",
    isForAll: !one?.models,
    models: one?.models ?? [],
    day: lastDayOf(one),
  });
  /** @template {keyof typeof values} N @param {N} name @returns {(value: (typeof values)[N]) => void} */
  const set = (name) => (value) => setValues((before) => ({ ...before, [name]: value }));
  return { values, set };
}

/** @typedef {ReturnType<typeof useValues>["values"]} Values */

/** @param {Values} values */
function check(values) {
  Faults.check({
    name: values.name.trim() ? null : t("fault.required"),
    scopes: values.scopes.length ? null : t("keys.scopes_none"),
    credits: values.per === "none" ? null : wholeFault(values.credits, 0, CREDITS_MAX),
    rate_limit_per_minute: values.rate.trim() ? wholeFault(values.rate, 1, RATE_MAX) : null,
    models: values.isForAll || values.models.length ? null : t("keys.models_none"),
  });
}

/** @param {Values} values @param {Key | null} one */
const bodyOf = (values, one) => ({
  name: values.name.trim(),
  scopes: values.scopes,
  spend_cap: values.per === "none" ? null : { credits: numberOf(values.credits, true), per: values.per },
  rate_limit_per_minute: values.rate.trim() ? numberOf(values.rate, true) : null,
  models: values.isForAll ? null : values.models,
  // Until the end of that day; a time that was not touched stays as it is, to the second.
  expires_at: values.day === lastDayOf(one) ? (one?.expires_at ?? null) : values.day ? endOf(values.day) : null,
});

/** @template {string} T @param {T[]} chosen @param {T} name @param {boolean} isOn @returns {T[]} */
const toggled = (chosen, name, isOn) => (isOn ? [...chosen, name] : chosen.filter((one) => one !== name));

/** @param {{legend: string, error: string | null, children?: any}} props */
function Group({ legend, error, children }) {
  return html`<fieldset class="stack stack--small">
    <legend class="field__label">${legend}</legend>
    ${children}
    <${ErrorText} text=${error} />
  </fieldset>`;
}

/** @param {{values: Values, set: ReturnType<typeof useValues>["set"], error: unknown}} props */
function Models({ values, set, error }) {
  const names = [...new Set([...(models.value ?? []).map((one) => one.name), ...values.models])];
  return html`<${Group} legend=${t("keys.models")} error=${about(error, "models")}>
    <${CheckField} label=${t("keys.models_all")} value=${values.isForAll} onValue=${set("isForAll")} />
    ${values.isForAll
      ? null
      : names.map(
          (name) => html`<${CheckField} key=${name} label=${name} value=${values.models.includes(name)}
            onValue=${(/** @type {boolean} */ isOn) => set("models")(toggled(values.models, name, isOn))} />`,
        )}
  </${Group}>`;
}

/** @param {{values: Values, set: ReturnType<typeof useValues>["set"], error: unknown}} props */
function Cap({ values, set, error }) {
  const options = ["day", "month", "total", "none"].map((value) => ({ value, label: t(`keys.per_${value}`) }));
  return html`<div class="pair">
    <${SelectField} label=${t("keys.cap")} value=${values.per} onValue=${set("per")} options=${options} />
    ${values.per === "none"
      ? null
      : html`<${TextField} label=${t("keys.cap_credits")} inputmode="numeric" autocomplete="off" required=${true}
          value=${values.credits} onValue=${set("credits")} error=${about(error, "credits")} />`}
  </div>`;
}

/** @param {{one: Key | null, onSaved: (saved: any) => void, onClose: () => void}} props */
export function KeyForm({ one, onSaved, onClose }) {
  const { values, set } = useValues(one);
  /** @type {any} */
  let saved = null;
  const save = async () => {
    check(values);
    const body = bodyOf(values, one);
    saved = one ? await api.patch(`/api-keys/${one.id}`, body) : await api.post("/api-keys", body);
  };
  const close = () => (saved ? onSaved(saved) : onClose());
  return html`<${Confirm} title=${one ? t("keys.change_title", { name: one.name }) : t("keys.make_title")} text=${t("keys.form_text")}
    action=${one ? t("action.save") : t("keys.make")} onConfirm=${save} onClose=${close} fields=${FIELDS}>
    ${(/** @type {unknown} */ error) => html`
    <${TextField} label=${t("keys.name")} hint=${t("keys.name_hint")} required=${true} maxlength=${NAME_MAX} autocomplete="off"
      value=${values.name} onValue=${set("name")} error=${about(error, "name")} />
    <${Group} legend=${t("keys.may")} error=${about(error, "scopes")}>
      ${SCOPES.map(
        (scope) => html`<${CheckField} key=${scope} label=${t(`keys.scope.${scope}`)} hint=${t(`keys.scope_hint.${scope}`)}
          value=${values.scopes.includes(scope)}
          onValue=${(/** @type {boolean} */ isOn) => set("scopes")(toggled(values.scopes, scope, isOn))} />`,
      )}
    </${Group}>
    <${Cap} values=${values} set=${set} error=${error} />
    <${Models} values=${values} set=${set} error=${error} />
    <div class="pair">
      <${TextField} label=${t("keys.rate")} hint=${t("keys.rate_hint")} inputmode="numeric" autocomplete="off"
        value=${values.rate} onValue=${set("rate")} error=${about(error, "rate_limit_per_minute")} />
      <${TextField} label=${t("keys.expires")} hint=${t("keys.expires_hint")} name="expires_at" type="date"
        value=${values.day} onValue=${set("day")} error=${about(error, "expires_at")} />
    </div>`}
  </${Confirm}>`;
}
