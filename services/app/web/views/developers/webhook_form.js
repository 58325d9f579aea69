/** WebhookForm: <${WebhookForm} one=${Webhook | null} onSaved=${(saved) => …} onClose />: makes a webhook, or changes one. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { api } from "../../api.js";
import { Confirm } from "../../components/dialog.js";
import { CheckField, ErrorText, TextField } from "../../components/field.js";
import { about, Faults, wholeFault } from "../../errors.js";
import { t } from "../../i18n/index.js";
import { numberOf } from "../../lib/numbers.js";

/** @typedef {import("./webhooks.js").Webhook} Webhook */

const EVENTS = [
  "prediction.succeeded",
  "prediction.failed",
  "prediction.canceled",
  "prediction.expired",
  "bulk.finished",
  "balance.low",
];
const FIRST = ["prediction.succeeded", "prediction.failed"];
const CREDITS = 10;
const CREDITS_MAX = 999_999_999_999_999;
const URL_MAX = 2048;
const FIELDS = ["url", "events", "balance_low_credits"];

/** @param {string} text @returns {string | null} */
const urlFault = (text) => (/^https?:\/\/[^\s/]+/i.test(text) ? null : t("webhooks.url_wrong"));

/** @param {{one: Webhook | null, onSaved: (saved: any) => void, onClose: () => void}} props */
export function WebhookForm({ one, onSaved, onClose }) {
  const [url, setUrl] = useState(one?.url ?? "");
  const [events, setEvents] = useState(one?.events ?? FIRST);
  const [credits, setCredits] = useState(String(one?.balance_low_credits ?? CREDITS));
  const isLow = events.includes("balance.low");
  /** @type {any} */
  let saved = null;
  const save = async () => {
    const isRight = wholeFault(credits, 1, CREDITS_MAX) === null;
    Faults.check({
      url: urlFault(url.trim()),
      events: events.length ? null : t("webhooks.events_none"),
      balance_low_credits: isLow && !isRight ? t("webhooks.credits_wrong") : null,
    });
    const body = { url: url.trim(), events, balance_low_credits: isRight ? numberOf(credits, true) : CREDITS };
    saved = one ? await api.patch(`/webhooks/${one.id}`, body) : await api.post("/webhooks", body);
  };
  const close = () => (saved ? onSaved(saved) : onClose());
  /** @param {string} event @param {boolean} isOn */
  const toggle = (event, isOn) => setEvents((before) => (isOn ? [...before, event] : before.filter((each) => each !== event)));
  return html`<${Confirm} title=${t(one ? "webhooks.change_title" : "webhooks.make_title")} text=${t("webhooks.form_text")}
    action=${t(one ? "action.save" : "webhooks.make")} onConfirm=${save} onClose=${close} fields=${FIELDS}>
    ${(/** @type {unknown} */ error) => html`
    <${TextField} label=${t("webhooks.url")} type="url" required=${true} maxlength=${URL_MAX} autocomplete="off" spellcheck=${false}
      placeholder="https://example.com/hooks/ml" value=${url} onValue=${setUrl} error=${about(error, "url")} />
    <fieldset class="stack stack--small">
      <legend class="field__label">${t("webhooks.events")}</legend>
      ${EVENTS.map(
        (event) => html`<${CheckField} key=${event} label=${t(`webhooks.event.${event}`)} value=${events.includes(event)}
          onValue=${(/** @type {boolean} */ isOn) => toggle(event, isOn)} />`,
      )}
      <${ErrorText} text=${about(error, "events")} />
    </fieldset>
    ${isLow
      ? html`<${TextField} label=${t("webhooks.credits")} inputmode="numeric" autocomplete="off" value=${credits}
          onValue=${setCredits} error=${about(error, "balance_low_credits")} />`
      : null}`}
  </${Confirm}>`;
}
