/**
 * CodeLanguage: <${CodeLanguage} />: in which language the page shows code. The choice holds wherever there is code, and
 * is remembered · codeLanguage (signal)
 */
import { signal } from "@preact/signals";
import { html } from "htm/preact";
import { t } from "../i18n/index.js";
import { read, write } from "../lib/storage.js";
import { Segmented } from "./segmented.js";

/** @typedef {"curl" | "python" | "javascript"} CodeKind */

/** @type {{value: CodeKind, label: string}[]} */
const LANGUAGES = [
  { value: "curl", label: "curl" },
  { value: "python", label: "Python" },
  { value: "javascript", label: "JavaScript" },
];
const NAME = "code_language";

/** @type {import("@preact/signals").Signal<CodeKind>} */
export const codeLanguage = signal(LANGUAGES.find(({ value }) => value === read(NAME))?.value ?? "curl");

/** @param {CodeKind} next */
function choose(next) {
  codeLanguage.value = next;
  write(NAME, next);
}

export function CodeLanguage() {
  return html`<${Segmented} label=${t("code.language")} value=${codeLanguage.value} options=${LANGUAGES} onValue=${choose} />`;
}
