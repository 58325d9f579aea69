/** AccountMenu: who is signed in, the views of the account, the theme, and the way out. */
import { html } from "htm/preact";
import { explain } from "../errors.js";
import { t } from "../i18n/index.js";
import { go } from "../router.js";
import { addressOf, linkedRoutes } from "../routes.js";
import { signOut, user } from "../session.js";
import { setTheme, theme } from "../theme.js";
import { Icon } from "./icon.js";
import { Menu } from "./menu.js";
import { Segmented } from "./segmented.js";
import { toast } from "./toast.js";

/** @param {() => void} close */
async function leave(close) {
  close();
  try {
    await signOut();
    go("/");
  } catch (error) {
    toast(explain(error), { kind: "danger" });
  }
}

export function AccountMenu() {
  const me = user.value;
  if (!me) return null;
  const routes = linkedRoutes(me.role !== null);
  const trigger = html`<span class="avatar" aria-hidden="true">${[...me.username][0]?.toUpperCase()}</span>`;
  const themes = ["system", "light", "dark"].map((value) => ({ value, label: t(`theme.${value}`) }));
  return html`<${Menu} label=${t("nav.menu")} trigger=${trigger} class="button--avatar">
    ${(/** @type {() => void} */ close) => html`
      <p class="menu__who truncate">${me.username}</p>
      ${routes.map(
        (route) => html`<a
          key=${route.name}
          class=${`menu__item ${route.nav === "main" ? "menu__item--narrow" : ""}`}
          href=${addressOf(route)}
          onClick=${close}
        >
          <${Icon} name=${route.icon ?? "right"} />${t(`nav.${route.name}`)}
        </a>`,
      )}
      <a class="menu__item" href="/docs"><${Icon} name="file" />${t("nav.docs")}</a>
      <div class="menu__part">
        <${Segmented} label=${t("theme.label")} value=${theme.value} options=${themes} onValue=${setTheme} />
      </div>
      <button class="menu__item" type="button" onClick=${() => leave(close)}>
        <${Icon} name="out" />${t("auth.sign_out")}
      </button>
    `}
  </${Menu}>`;
}
