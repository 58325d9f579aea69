/** match(routes, path) → {route, params}: the first route whose path fits, else {route: null, params: {}}. */

/**
 * @template {{path: string}} R
 * @param {R[]} routes @param {string} path
 * @returns {{route: R | null, params: Record<string, string>}}
 */
export function match(routes, path) {
  const found = parts(path);
  for (const route of routes) {
    const params = fit(parts(route.path), found);
    if (params) return { route, params };
  }
  return { route: null, params: {} };
}

/** @param {string} path */
const parts = (path) => path.split("/").filter(Boolean);

/** @param {string[]} pattern @param {string[]} found @returns {Record<string, string> | null} */
function fit(pattern, found) {
  if (found.length > pattern.length) return null;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [place, part] of pattern.entries()) {
    const value = found[place];
    if (!part.startsWith(":")) {
      if (part !== value) return null;
    } else if (value === undefined) {
      if (!part.endsWith("?")) return null;
    } else {
      params[part.replace(/[:?]/g, "")] = decode(value);
    }
  }
  return params;
}

/** @param {string} value */
function decode(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
