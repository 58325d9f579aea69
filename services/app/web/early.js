// Runs before the first paint, so that a chosen theme and language do not flash: the only script that is no module.
// It also asks for what the modules would ask for only after they have run: the view's modules, its phrases, two answers.
// It stands below the import map: a module that comes before the map does not find the libraries.
"use strict";
(() => {
  // The modules of the views where people begin, besides those in index.html, and of what one sees when signed in.
  /** @type {Record<string, string>} */
  const MODULES = {
    signed_in:
      "components/account_menu components/menu components/segmented lib/sse stream theme",
    home:
      "components/field components/hooks components/menu components/page components/use_models lib/schema outputs/asked playground/answer_card playground/ask_card playground/follow playground/form playground/model_picker playground/playground playground/state playground/waiting views/welcome",
    predict:
      "components/code_language components/copy_button components/field components/hooks components/menu components/page components/segmented components/status_chip components/time components/use_models lib/schema lib/snippets made_key outputs/asked outputs/headline outputs/shape outputs/words playground/answer_card playground/ask_card playground/code_card playground/follow playground/form playground/model_picker playground/playground playground/recent playground/state playground/waiting views/predict",
  };
  const root = document.documentElement;
  let language = navigator.language;
  let isIn = false;
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    language = localStorage.getItem("language") ?? language;
    isIn = localStorage.getItem("signed_in") !== null;
  } catch {
    // Without storage the system's theme and the browser's language are right.
  }
  root.lang = language.startsWith("ru") ? "ru" : "en";
  const words = root.lang === "ru" ? "common auth predict models" : "common auth predict";
  const names = words.split(" ").map((name) => `i18n/${root.lang}/${name}`);
  const view = /^\/app\/(\w+)/.exec(location.pathname)?.[1] ?? (isIn ? "predict" : "home");
  for (const part of isIn ? ["signed_in", view] : [view]) names.push(...(MODULES[part]?.split(" ") ?? []));
  for (const name of names) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = `/web/${name}.js`;
    document.head.append(link);
  }
  /** @type {any} */ (globalThis).begun = Object.fromEntries(
    ["/models", "/service"].map((path) => {
      const answer = fetch(path, { headers: { Accept: "application/json" } });
      answer.catch(() => undefined); // whoever takes it says what is wrong
      return [path, answer];
    }),
  );
})();

// A file that did not come at the start (a network that has just changed) would leave an empty or a bare page: begin
// again a few times, once the service answers, then say so. app.js calls it for what it imports.
const TRIES_MAX = 5;
const NOT_LOADED = {
  en: "This page could not be loaded. Reload it in a moment.",
  ru: "Страница не загрузилась. Обновите её чуть позже.",
};
let isBeginning = false;
/** @type {any} */ (globalThis).beginAgain = async () => {
  if (isBeginning) return; // several files may not have come
  isBeginning = true;
  let tries = TRIES_MAX; // without storage nothing would count them
  try {
    tries = Number(sessionStorage.getItem("reloads") ?? 0);
    sessionStorage.setItem("reloads", String(tries + 1));
  } catch {
    // said below
  }
  if (tries >= TRIES_MAX) {
    const textContent = document.documentElement.lang === "ru" ? NOT_LOADED.ru : NOT_LOADED.en;
    document.body.append(Object.assign(document.createElement("p"), { className: "noscript", textContent }));
    return;
  }
  for (let isAnswered = false; !isAnswered; ) {
    await new Promise((resolve) => setTimeout(resolve, 500 * (tries + 1)));
    isAnswered = await fetch("/service", { cache: "no-store" }).then(
      () => true,
      () => false, // the browser's own page about that would not come back by itself
    );
  }
  location.reload();
};
document.addEventListener(
  "error",
  ({ target }) => {
    const isStyle = target instanceof HTMLLinkElement && target.rel === "stylesheet" && document.readyState !== "complete";
    if (isStyle || target instanceof HTMLScriptElement) /** @type {any} */ (globalThis).beginAgain();
  },
  true,
);
addEventListener("load", () =>
  setTimeout(() => {
    try {
      sessionStorage.removeItem("reloads");
    } catch {
      // nothing was counted
    }
  }, 10_000),
);
