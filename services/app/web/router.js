/**
 * place (signal): {path, route, params, query} of the address bar · go(path, {replace}) · setQuery({name: value | null},
 * {replace}) changes the query only. Links are plain <a href>; start() catches their clicks.
 */
import { signal } from "@preact/signals";
import { match } from "./lib/match.js";
import { ROUTES } from "./routes.js";

/**
 * @typedef {{path: string, route: import("./routes.js").Route | null, params: Record<string, string>,
 *   query: Record<string, string>}} Place
 */

/** @returns {Place} */
function here() {
  const { pathname, search } = location;
  return { path: pathname, ...match(ROUTES, pathname), query: Object.fromEntries(new URLSearchParams(search)) };
}

/** @type {import("@preact/signals").Signal<Place>} */
export const place = signal(here());

/** @param {string} path with its query @param {{replace?: boolean}} [options] */
export function go(path, { replace = false } = {}) {
  if (path === location.pathname + location.search) return;
  const moved = new URL(path, location.href).pathname !== location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  place.value = here();
  if (moved && !replace) scrollTo(0, 0);
}

/** @param {Record<string, string | null>} changes @param {{replace?: boolean}} [options] */
export function setQuery(changes, { replace = true } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ""), { replace });
}

/** @param {MouseEvent} event */
function onClick(event) {
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!isPlain || event.defaultPrevented || !(link instanceof HTMLAnchorElement)) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!match(ROUTES, link.pathname).route || (link.hash && link.pathname === location.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
}

export function start() {
  addEventListener("popstate", () => {
    place.value = here();
  });
  document.addEventListener("click", onClick);
}
