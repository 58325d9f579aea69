/**
 * Telegram: <${Telegram} me />: connect a chat to the account by a link or a QR code, see that it worked, and say whether answers go
 * there too.
 */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { CopyButton } from "../../components/copy_button.js";
import { useSecondsLeft } from "../../components/countdown.js";
import { CheckField } from "../../components/field.js";
import { Qr } from "../../components/qr.js";
import { useQuery } from "../../components/hooks.js";
import { Section } from "../../components/section.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { fmt, t } from "../../i18n/index.js";
import { service } from "../../service.js";
import { updateUser } from "../../session.js";

/** How often it is looked, while a code is shown, whether a chat has used it. */
const LOOK_MS = 3000;

/** @typedef {{code: string, command: string, deep_link: string | null, expires_in: number}} TelegramCode */

/** @param {{code: TelegramCode, until: number, onOver: () => void}} props */
function LinkChat({ code, until, onOver }) {
  const left = useSecondsLeft(until);
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  useEffect(() => {
    const first = box.current?.querySelector("a, button"); // the button that was pressed is gone
    if (first instanceof HTMLElement) first.focus();
  }, []);
  useEffect(() => {
    if (left <= 0) onOver();
  }, [left <= 0]);
  return html`<div class="link-chat" ref=${box}>
    ${code.deep_link ? html`<${Qr} text=${code.deep_link} label=${t("account.telegram_qr")} />` : null}
    <div class="stack">
      ${code.deep_link
        ? html`<p>${t("account.telegram_scan")}</p>
            <div class="row"><${Button} kind="primary" icon="link" href=${code.deep_link} target="_blank" rel="noopener">${t("account.telegram_open")}</${Button}></div>`
        : null}
      <p class="muted small">${t(code.deep_link ? "account.telegram_or" : "account.telegram_no_bot")}</p>
      <p class="row"><code>${code.command}</code><${CopyButton} text=${code.command} isSmall=${true} /></p>
      <p class="muted small num">${t("account.telegram_left", { time: fmt.duration(left * 1000) })}</p>
    </div>
  </div>`;
}

/** @param {{me: import("../../session.js").User}} props */
function Notify({ me }) {
  const [isOn, setOn] = useState(me.notify?.includes("telegram") ?? false);
  /** @param {boolean} next */
  const change = async (next) => {
    setOn(next);
    try {
      updateUser(await api.patch("/users/me", { notify: next ? ["telegram"] : [] }));
    } catch (error) {
      setOn(!next);
      toast(explain(error), { kind: "danger" });
    }
  };
  return html`<${CheckField} label=${t("account.notify")} hint=${t("account.notify_hint")} value=${isOn} onValue=${change} />`;
}

/**
 * The chats that are connected, looked at again and again while a code waits to be used.
 * @param {boolean} waits @param {() => void} onLinked @returns {number}
 */
function useChats(waits, onLinked) {
  const { data, isLoading, reload } = useQuery((signal) => api.get("/users/me/telegram", { signal }), []);
  const [before, setBefore] = useState(/** @type {number | null} */ (null));
  const chats = data?.chats ?? null;
  useEffect(() => {
    if (before !== null && chats > before) onLinked();
    if (chats !== null) setBefore(chats);
  }, [chats]);
  useEffect(() => {
    if (!waits || isLoading) return undefined;
    const timer = setTimeout(reload, LOOK_MS);
    return () => clearTimeout(timer);
  }, [waits, isLoading]);
  return chats ?? 0;
}

/** @param {{me: import("../../session.js").User}} props */
export function Telegram({ me }) {
  const [code, setCode] = useState(/** @type {(TelegramCode & {until: number}) | null} */ (null));
  const chats = useChats(code !== null, () => {
    setCode(null);
    toast(t("account.telegram_linked"));
  });
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const make = async () => {
    setBusy(true);
    setError("");
    try {
      /** @type {TelegramCode} */
      const made = await api.post("/users/me/telegram");
      setCode({ ...made, until: Date.now() + made.expires_in * 1000 });
    } catch (found) {
      setError(explain(found));
    }
    setBusy(false);
  };
  if (service.value && !service.value.telegram_bot) {
    return html`<${Section} title="Telegram" text=${t("account.telegram_none")}>
      ${me.is_admin ? html`<p class="muted small">${t("account.telegram_set")}</p>` : null}
    </${Section}>`;
  }
  return html`<${Section} title="Telegram" text=${t("account.telegram_text")}>
    ${error ? html`<${Banner} kind="danger">${error}</${Banner}>` : null}
    ${chats > 0 ? html`<p>${t("account.telegram_chats", { n: chats })} <span class="muted small">${t("account.telegram_leave")}</span></p>` : null}
    ${code
      ? html`<${LinkChat} code=${code} until=${code.until} onOver=${() => setCode(null)} />`
      : html`<div class="row"><${Button} icon="link" isBusy=${isBusy} onClick=${make}>${t(chats > 0 ? "account.telegram_another" : "account.telegram_connect")}</${Button}></div>`}
    <${Notify} me=${me} />
  </${Section}>`;
}
