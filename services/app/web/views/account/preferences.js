/** Preferences: <${Preferences} me />: language and theme. */
import { html } from "htm/preact";
import { chooseLanguage } from "../../components/language_switch.js";
import { Section } from "../../components/section.js";
import { Segmented } from "../../components/segmented.js";
import { fmt, language, t } from "../../i18n/index.js";
import { setTheme, theme } from "../../theme.js";

/** @param {{me: import("../../session.js").User}} props */
export function Preferences({ me }) {
  const languages = ["en", "ru"].map((value) => ({ value, label: t(`language.${value}`) }));
  const themes = ["system", "light", "dark"].map((value) => ({ value, label: t(`theme.${value}`) }));
  return html`<${Section} title=${me.username} actions=${html`<span class="muted small">${t("account.since", { day: fmt.day(me.created_at) })}</span>`}>
    <div class="settings">
      <div class="settings__one"><span>${t("language.label")}</span>
        <${Segmented} label=${t("language.label")} value=${language.value} options=${languages} onValue=${chooseLanguage} />
      </div>
      <div class="settings__one"><span>${t("theme.label")}</span>
        <${Segmented} label=${t("theme.label")} value=${theme.value} options=${themes} onValue=${setTheme} />
      </div>
    </div>
  </${Section}>`;
}
