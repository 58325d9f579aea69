/**
 * download(path, query, name): an answer of the API as a file, with the session's token, which a plain link has not.
 * saveAs(parts, name, type): text that the page made itself.
 */
import { api } from "../api.js";
import { dayOf } from "./days.js";

/** @param {string} path @param {Record<string, any>} query @param {string} name */
export async function download(path, query, name) {
  const response = await api.raw("GET", path, undefined, { query, headers: { Accept: "*/*" } });
  save(await response.blob(), name);
}

/** @param {string[]} parts @param {string} name @param {string} type */
export function saveAs(parts, name, type) {
  save(new Blob(parts, { type }), name);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may begin to read it only now
}

/** @returns {string} today, for the name of a file */
export function today() {
  return dayOf(new Date());
}
