/**
 * LanguageSwitch: the other language, one click away; remembered by the account, else by this browser.
 * chooseLanguage(next) does it.
 */
import { html } from "htm/preact";
import { api } from "../api.js";
import { language, setLanguage, t } from "../i18n/index.js";
import { updateUser, user } from "../session.js";

/** @param {"en" | "ru"} next */
export async function chooseLanguage(next) {
  await setLanguage(next, { remember: true });
  if (!user.peek() || user.peek()?.is_demo) return; // the demo user is everyone's
  const saved = await api.patch("/users/me", { language: next }, { retry: false }).catch(() => null);
  if (saved) updateUser({ language: saved.language });
}

export function LanguageSwitch() {
  const next = language.value === "ru" ? "en" : "ru";
  return html`<button
    class="button button--quiet language"
    type="button"
    lang=${next}
    aria-label=${`${next.toUpperCase()}: ${t(`language.${next}`)}`}
    title=${t(`language.${next}`)}
    onClick=${() => chooseLanguage(next)}
  >
    ${next.toUpperCase()}
  </button>`;
}
