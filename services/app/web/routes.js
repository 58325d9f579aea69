/**
 * The addresses of the page. A view's file default-exports its component, which gets {params, query}.
 *
 * path: `:name` is a parameter, `:name?` one that may be missing. access: "any", "user" (asks to sign in first) or
 * "admin" (any role). nav: where a link stands: "main" (top bar; the first four also on a phone's bottom bar) or "menu" (the
 * account menu). Its words are the phrase `nav.<name>`, its picture is in components/icon.js. words: the files of
 * phrases (i18n/en, i18n/ru) that the view needs besides common, auth and predict. isFirst: people begin here; it does
 * without STYLES, which come with the other views.
 */

/**
 * @typedef {{name: string, path: string, load: () => Promise<{default: any}>, access: "any" | "user" | "admin",
 *   words?: string[], isFirst?: boolean, nav?: "main" | "menu", icon?: string}} Route
 */

/** The files of styles that are not in index.html, in the order in which they apply. */
export const STYLES = ["lists", "figures", "views"];

/** @type {Route[]} */
export const ROUTES = [
  { name: "home", path: "/", load: () => import("./views/welcome.js"), access: "any", isFirst: true },
  {
    name: "predict",
    path: "/app/predict/:id?",
    load: () => import("./views/predict.js"),
    access: "user",
    isFirst: true,
    nav: "main",
    icon: "spark",
  },
  {
    name: "history",
    path: "/app/history",
    load: () => import("./views/history.js"),
    words: ["history"],
    access: "user",
    nav: "main",
    icon: "clock",
  },
  {
    name: "bulk",
    path: "/app/bulk",
    load: () => import("./views/bulk.js"),
    words: ["bulk"],
    access: "user",
    nav: "main",
    icon: "rows",
  },
  {
    name: "credits",
    path: "/app/credits",
    load: () => import("./views/credits.js"),
    words: ["credits", "history"],
    access: "user",
    nav: "main",
    icon: "coins",
  },
  {
    name: "developers",
    path: "/app/developers",
    load: () => import("./views/developers.js"),
    words: ["developers", "webhooks", "history", "credits"],
    access: "user",
    nav: "main",
    icon: "code",
  },
  {
    name: "account",
    path: "/app/account",
    load: () => import("./views/account.js"),
    words: ["account"],
    access: "user",
    nav: "menu",
    icon: "person",
  },
  {
    name: "operate",
    path: "/app/operate/:part?/:id?",
    load: () => import("./views/operate.js"),
    words: ["operate", "history", "credits", "webhooks"],
    access: "admin",
    nav: "main",
    icon: "pulse",
  },
];

/** @param {Route} route @returns {string} its address without parameters */
export const addressOf = (route) => route.path.replace(/\/:.*$/, "");

/** @param {boolean} hasRole @returns {Route[]} those that have a link somewhere, for such a person */
export const linkedRoutes = (hasRole) => ROUTES.filter(({ nav, access }) => nav && (access !== "admin" || hasRole));
