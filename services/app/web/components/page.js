/**
 * Page: <${Page} title="History" actions=${node}>…</${Page}>: a view's frame: its heading, its title in the tab. part: which
 * part of the view is shown, for the tab.
 * useTitle(title) for a view with a frame of its own.
 */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";

/** @param {string | null} title null: the service's name alone */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · ML Service` : "ML Service";
  }, [title]);
}

/** @param {{title: string, part?: string, actions?: any, isTitleHidden?: boolean, children?: any}} props */
export function Page({ title, part, actions, isTitleHidden = false, children }) {
  useTitle(part ? `${part} · ${title}` : title);
  return html`<div class="page">
    <header class=${isTitleHidden ? "visually-hidden" : "page__head"}>
      <h1 tabindex="-1">${title}</h1>
      ${actions ? html`<div class="row">${actions}</div>` : null}
    </header>
    ${children}
  </div>`;
}
