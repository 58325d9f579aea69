/** The frame around every view: top bar, bottom bar on a phone, banners, dialogs over the page, toasts. */
import { signal } from "@preact/signals";
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { hurry } from "./lib/wait.js";
import { delay } from "./api.js";
import { openAuth, wanted } from "./auth.js";
import { Banner } from "./components/banner.js";
import { Button } from "./components/button.js";
import { Countdown } from "./components/countdown.js";
import { EmptyState, ErrorState } from "./components/empty_state.js";
import { Icon } from "./components/icon.js";
import { LanguageSwitch } from "./components/language_switch.js";
import { Loading, Skeleton } from "./components/skeleton.js";
import { Toasts } from "./components/toast.js";
import { fmt, t } from "./i18n/index.js";
import { balance, held } from "./live.js";
import { later } from "./loading.js";
import { ApiError } from "./problem.js";
import { place } from "./router.js";
import { addressOf, linkedRoutes } from "./routes.js";
import { service } from "./service.js";
import { routeFor, untilLoaded, viewOf } from "./views.js";
import { may, state, user } from "./session.js";

const BOTTOM_MAX = 4;
const AccountMenu = later(
  async () => (await import("./components/account_menu.js")).AccountMenu,
  () => html`<${Skeleton} class="skeleton--avatar" />`,
);
const AuthDialogs = later(async () => (await import("./components/auth_dialogs.js")).AuthDialogs);

/** @param {import("./routes.js").Route} route */
function isHere(route) {
  const now = place.value.route;
  return now === route || (now?.name === "home" && route.name === "predict");
}

/** @param {{class: string, max?: number}} props */
function Nav({ class: className, max = Infinity }) {
  const linked = linkedRoutes(may("viewer"));
  const routes = linked.filter((route) => route.nav === "main").slice(0, max);
  return html`<nav class=${className} aria-label=${t("nav.main")}>
    ${routes.map(
      (route) => html`<a
        key=${route.name}
        class="nav-link"
        href=${addressOf(route)}
        aria-current=${isHere(route) ? "page" : undefined}
      >
        <${Icon} name=${route.icon ?? "spark"} /><span>${t(`nav.${route.name}`)}</span>
      </a>`,
    )}
  </nav>`;
}

function Balance() {
  const n = balance.value;
  if (n === null) return html`<${Skeleton} class="skeleton--balance" />`;
  const onHold = held.value ? t("balance.held", { n: held.value }) : "";
  return html`<a class="balance" href="/app/credits" title=${onHold} aria-label=${`${t("balance.label", { n })} ${onHold}`}>
    <${Icon} name="coins" /><span class="num">${fmt.number(n)}</span>
  </a>`;
}

function TopBar() {
  const isIn = user.value !== null;
  return html`<header class="topbar">
    <div class="topbar__inner">
      <a class="brand" href="/" aria-label=${t("nav.home")}>ML Service</a>
      ${isIn ? html`<${Nav} class="topbar__nav" />` : html`<span class="grow"></span>`}
      <div class="topbar__end">
        ${isIn ? html`<${Balance} />` : null}
        <${LanguageSwitch} />
        ${isIn ? html`<${AccountMenu} />` : html`<${Visitor} />`}
      </div>
    </div>
  </header>`;
}

function Visitor() {
  if (state.value === "unknown") return html`<${Skeleton} class="skeleton--balance" />`;
  return html`<${Button} kind="quiet" onClick=${() => openAuth("sign_in")}>${t("auth.sign_in")}</${Button}>
    ${service.value?.registration === "closed"
      ? null
      : html`<${Create} class="wide-only" />`}`;
}

/** @param {object} props of the button */
function Create(props) {
  return html`<${Button} ...${props} onClick=${() => openAuth("create")}>${t("auth.create")}</${Button}>`;
}

/** Whether the browser has a network; looked at by events alone. */
const isOnline = signal(navigator.onLine);
addEventListener("online", () => (isOnline.value = true));
addEventListener("offline", () => (isOnline.value = false));

function Banners() {
  const found = isOnline.value ? delay.value : { reason: "offline", until: 0 };
  /** @param {number} n */
  const words = (n) => t(`state.${found?.reason}`, { n });
  const now = html`<${Button} size="small" onClick=${hurry}>${t("action.retry_now")}</${Button}>`;
  return html`<div class="banners">
    ${user.value?.is_demo
      ? html`<${Banner} action=${html`<${Create} size="small" />`}>${t("state.demo")}</${Banner}>`
      : null}
    ${found
      ? html`<${Banner} kind="warning" action=${now}>
          <${Countdown} key=${found.until} until=${found.until} render=${words} />
        </${Banner}>`
      : null}
  </div>`;
}

/** The view of the address, loaded when it is first needed. Each account has its own, which has nothing of another's. */
function View() {
  const { params, query } = place.value;
  const route = routeFor(place.value.route, user.value !== null);
  const [, redraw] = useState(0);
  const [failed, setFailed] = useState(/** @type {unknown} */ (null));
  const name = route?.name ?? "";
  const Found = route ? viewOf(route) : undefined;
  useEffect(() => {
    // As it was drawn: a view that has come since then is drawn all the same.
    if (!route || Found) return undefined;
    const stop = new AbortController();
    /** @param {unknown} found */
    const tell = (found) => {
      if (!stop.signal.aborted) setFailed(found);
    };
    tell(null);
    untilLoaded(route, tell, stop.signal).then(() => {
      tell(null);
      redraw((before) => before + 1);
    }, tell);
    return () => stop.abort();
  }, [name]);
  if (!route) {
    const home = html`<${Button} href="/">${t("state.to_start")}</${Button}>`;
    const text = t("state.not_found_text");
    return html`<${EmptyState} isPage icon="search" title=${t("state.not_found")} text=${text} action=${home} />`;
  }
  if (state.value === "unknown") return html`<${Unknown} />`;
  if (route.access !== "any" && !user.value) return html`<${SignInFirst} isForAdmins=${route.access === "admin"} />`;
  if (route.access === "admin" && !may("viewer")) {
    return html`<${EmptyState} isPage icon="key" title=${t("state.admins_only")} />`;
  }
  if (failed instanceof ApiError) return html`<${ErrorState} error=${failed} onRetry=${hurry} />`;
  if (failed) return html`<${ErrorState} error=${failed} onRetry=${() => location.reload()} />`;
  if (!Found) return html`<${Unknown} />`;
  return html`<${Found} key=${`${name} ${user.value?.id ?? ""}`} params=${params} query=${query} />`;
}

/** What is there is not known yet. */
function Unknown() {
  return html`<${Loading}>
    <div class="page"><${Skeleton} class="skeleton--title" /><${Skeleton} class="skeleton--block" /></div>
  </${Loading}>`;
}

/** @param {{isForAdmins: boolean}} props */
function SignInFirst({ isForAdmins }) {
  const action = html`<${Button} kind="primary" onClick=${() => openAuth("sign_in")}>${t("auth.sign_in")}</${Button}>`;
  const text = isForAdmins ? t("state.admin_sign_in") : t("state.sign_in_first_text");
  const title = t(isForAdmins ? "state.admin_page" : "state.sign_in_first");
  return html`<${EmptyState} isPage icon="person" title=${title} text=${text} action=${action} />`;
}

export function Shell() {
  const main = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const name = place.value.route?.name;
  const isFirst = useRef(true);
  useEffect(() => {
    // A new view is announced as a page load would be: by moving the focus to its beginning.
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [name]);
  const isIn = user.value !== null;
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      main.current?.focus();
    }}>${t("app.skip")}</a>
    <${TopBar} />
    <div class=${`frame ${isIn ? "frame--bottombar" : ""}`}>
      <${Banners} />
      <main id="main" tabindex="-1" ref=${main}><${View} key=${user.value?.id} /></main>
    </div>
    ${isIn ? html`<${Nav} class="bottombar" max=${BOTTOM_MAX} />` : null}
    ${wanted.value || state.value === "ended" ? html`<${AuthDialogs} isEnded=${state.value === "ended"} />` : null}
    <${Toasts} />
  `;
}
