/** Welcome: what this is in one sentence, the playground itself, and three facts with numbers. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { openAuth, tryDemo } from "../auth.js";
import { Button } from "../components/button.js";
import { Icon } from "../components/icon.js";
import { useTitle } from "../components/page.js";
import { Skeleton } from "../components/skeleton.js";
import { toast } from "../components/toast.js";
import { explain } from "../errors.js";
import { fmt, t } from "../i18n/index.js";
import { Playground } from "../playground/playground.js";
import { ask, examplesOf, fill, formOf, isReady, model } from "../playground/state.js";
import { models, service } from "../service.js";
import { initial } from "../lib/schema.js";
import { loadPredict } from "../views.js";

/** Demo mode: one click from here to a real answer. Else an account comes first, and the form waits. */
async function enter() {
  try {
    await Promise.all([tryDemo(), loadPredict()]);
    const one = model();
    if (!one) return;
    const [example] = examplesOf(one);
    if (example && JSON.stringify(formOf(one)) === JSON.stringify(initial(one.input_schema))) fill(one, example);
    await ask(one);
  } catch (error) {
    toast(explain(error), { kind: "danger" });
  }
}

export default function Welcome() {
  const [isBusy, setBusy] = useState(false);
  const isDemo = service.value?.mode === "demo";
  const onTry = async () => {
    setBusy(true);
    await enter();
    setBusy(false);
  };
  /** @param {import("../playground/state.js").Model} one */
  const onAsk = (one) => {
    if (!isReady(one)) return;
    if (isDemo) void onTry();
    else openAuth(service.value?.registration === "closed" ? "sign_in" : "create", () => ask(one));
  };
  useTitle(null);
  return html`<div class="page">
    <header class="hero">
      <h1 class="hero__title">${t("welcome.title")}</h1>
      <p class="hero__text muted">
        ${service.value && models.value ? invitation() : html`<${Skeleton} class="skeleton--sentence" />`}
      </p>
      <div class="hero__actions"><${Enter} isDemo=${isDemo} isBusy=${isBusy} onTry=${onTry} /></div>
    </header>
    <${Playground} onAsk=${onAsk} isBusy=${isBusy} />
    <${Facts} />
    <${Links} />
  </div>`;
}

/** What to do, and how many answers the starting credits are. @returns {string} */
function invitation() {
  const price = model()?.price_credits ?? 0;
  const n = price ? Math.floor((service.value?.starting_credits ?? 0) / price) : 0;
  const how = t(matchMedia("(hover: none), (pointer: coarse)").matches ? "welcome.how_touch" : "welcome.how");
  return n ? `${how} ${t("welcome.free", { n })}` : how;
}

/** @param {{isDemo: boolean, isBusy: boolean, onTry: () => void}} props */
function Enter({ isDemo, isBusy, onTry }) {
  if (!service.value) return html`<${Skeleton} class="skeleton--button" />`;
  const isClosed = service.value.registration === "closed";
  return html`
    ${isDemo ? html`<${Button} kind="primary" isBusy=${isBusy} onClick=${onTry}>${t("auth.try")}</${Button}>` : null}
    ${isClosed
      ? html`<${Button} onClick=${() => openAuth("sign_in")}>${t("auth.sign_in")}</${Button}>`
      : html`<${Button} kind=${isDemo ? "secondary" : "primary"} onClick=${() => openAuth("create")}>
          ${t("auth.create")}
        </${Button}>`}
  `;
}

function Facts() {
  const one = model();
  const free = service.value?.starting_credits;
  if (!models.value || !one || free === undefined) {
    return html`<ul class="welcome-facts" aria-busy="true">
      ${[0, 1, 2].map(
        (place) => html`<li key=${place}><${Skeleton} class="skeleton--fact" /><${Skeleton} lines=${2} /></li>`,
      )}
    </ul>`;
  }
  const time = one.recent ? fmt.duration(one.recent.median_ms) : null;
  const facts = [
    { big: t("unit.credits", { n: one.price_credits }), text: t("welcome.price", { n: free }) },
    { big: time ?? t("welcome.time_unknown"), text: t(time ? "welcome.time" : "welcome.time_live") },
    { big: t("welcome.zero"), text: t("welcome.guarantee") },
  ];
  return html`<ul class="welcome-facts">
    ${facts.map(
      ({ big, text }) => html`<li key=${text}>
        <b class="welcome-facts__big num">${big}</b>
        <p class="muted">${text}</p>
      </li>`,
    )}
  </ul>`;
}

function Links() {
  const bot = service.value?.telegram_bot;
  return html`<p class="welcome-links">
    <a href="/docs"><${Icon} name="code" />${t("nav.docs")}</a>
    ${bot
      ? html`<a href=${`https://t.me/${bot}`} rel="noreferrer"><${Icon} name="link" />${t("welcome.bot")}</a>`
      : null}
  </p>`;
}
