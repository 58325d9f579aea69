/**
 * CopyButton: <${CopyButton} text=${string | () => string} />: copies and says so; isSmall: only the icon.
 * copy(text) → Promise<boolean> for other places. The clipboard API needs a secure context; a service on a local
 * network is reached by plain http, where a selection and the old command do it.
 */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { t } from "../i18n/index.js";
import { Button } from "./button.js";
import { toast } from "./toast.js";

const SHOWN_MS = 1_500;

/** @param {string} text @returns {Promise<boolean>} */
export async function copy(text) {
  if (navigator.clipboard) {
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    if (done) return true;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  const home = document.querySelector("dialog[open]") ?? document.body;
  const focused = document.activeElement;
  home.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}

/** @param {{text: string | (() => string), isSmall?: boolean, label?: string}} props */
export function CopyButton({ text, isSmall = false, label = t("action.copy") }) {
  const [isDone, setDone] = useState(false);
  const onClick = async () => {
    if (!(await copy(typeof text === "string" ? text : text()))) {
      toast(t("copy.failed"), { kind: "danger" });
      return;
    }
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  };
  const shown = isDone ? t("copy.done") : label;
  return html`<span class="copy">
    <${Button}
      kind="quiet"
      size="small"
      icon=${isDone ? "check" : "copy"}
      aria-label=${label}
      title=${isSmall ? label : undefined}
      onClick=${onClick}
    >
      ${isSmall ? null : shown}
    </${Button}>
    <span class="visually-hidden" role="status">${isDone ? t("copy.done") : ""}</span>
  </span>`;
}
