/**
 * Views are loaded when they are first needed, with their phrases and styles.
 * routeFor(route, isIn) → the route whose view is shown: at the start that is Predict for those who are signed in ·
 * viewOf(route) → its component, or undefined while it is not loaded · loadView(route) · untilLoaded(route, onTrouble,
 * stop): the same, going on by itself once the service answers again.
 */
import { loadWords } from "./i18n/index.js";
import { insist } from "./loading.js";
import { ROUTES, STYLES } from "./routes.js";

/** @typedef {import("./routes.js").Route} Route */

/** @type {Map<string, any>} */
const loaded = new Map();
/** @type {Map<string, Promise<unknown>>} */
const styles = new Map();
const PREDICT = /** @type {Route} */ (ROUTES.find((route) => route.name === "predict"));

/** @param {Route | null} route @param {boolean} isIn @returns {Route | null} */
export function routeFor(route, isIn) {
  return route?.name === "home" && isIn ? PREDICT : route;
}

/** @param {Route} route */
export function viewOf(route) {
  return loaded.get(route.name);
}

/** @param {string} name of a file of styles */
function loadStyle(name) {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/web/styles/${name}.css` });
  const found = new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      link.remove();
      styles.delete(name);
      reject(new TypeError(`${link.href} could not be loaded`));
    });
  });
  styles.set(name, found);
  document.head.append(link);
  return found;
}

/** @param {Route} route */
export async function loadView(route) {
  const needed = route.isFirst ? [] : STYLES.map((name) => styles.get(name) ?? loadStyle(name));
  const [found] = await Promise.all([route.load(), loadWords(route.words ?? []), ...needed]);
  loaded.set(route.name, found.default);
}

/** @param {Route} route @param {(error: unknown) => void} onTrouble @param {AbortSignal} stop */
export function untilLoaded(route, onTrouble, stop) {
  return insist(() => loadView(route), onTrouble, stop);
}

/** What comes after signing in at the start. */
export function loadPredict() {
  return loadView(PREDICT);
}
