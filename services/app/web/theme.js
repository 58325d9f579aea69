/** The theme: theme (signal "system" | "light" | "dark") · setTheme("dark") sets and remembers it on this device. */
import { signal } from "@preact/signals";
import { read, write } from "./lib/storage.js";

/** @typedef {"system" | "light" | "dark"} Theme */

const remembered = read("theme");
/** @type {import("@preact/signals").Signal<Theme>} */
export const theme = signal(remembered === "light" || remembered === "dark" ? remembered : "system");

/** @param {Theme} next */
export function setTheme(next) {
  theme.value = next;
  write("theme", next === "system" ? null : next);
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
}
