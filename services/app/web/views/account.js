/** Account: who one is here, how one gets in, what one prefers, and one's data. */
import { html } from "htm/preact";
import { Banner } from "../components/banner.js";
import { Page } from "../components/page.js";
import { t } from "../i18n/index.js";
import { user } from "../session.js";
import { Data } from "./account/data.js";
import { Password } from "./account/password.js";
import { Preferences } from "./account/preferences.js";
import { Sessions } from "./account/sessions.js";
import { Telegram } from "./account/telegram.js";

export default function Account() {
  const me = user.value;
  if (!me) return null;
  return html`<${Page} title=${t("nav.account")}>
    ${me.is_demo ? html`<${Banner}>${t("account.demo")}</${Banner}>` : null}
    <${Preferences} me=${me} />
    <${Telegram} me=${me} />
    ${me.is_demo ? null : html`<${Password} me=${me} />`}
    <${Sessions} />
    <${Data} me=${me} />
  </${Page}>`;
}
