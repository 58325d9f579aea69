/**
 * useList(path, query) → {items, error, isLoading, hasMore, more, reload}: a list of the API, page by page as a person asks
 * for more; items is null until the first page has come.
 * MoreButton: <${MoreButton} list />, right below the table or list: says how many came, and leaves the focus on the first of
 * them where nothing more can be asked for.
 */
import { html } from "htm/preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api.js";
import { focusOn } from "../focus.js";
import { t } from "../i18n/index.js";
import { Button } from "./button.js";

/** @typedef {{items: any[] | null, cursor: string | null, error: unknown, isLoading: boolean}} LoadState */

/** @type {LoadState} */
const NOTHING = { items: null, cursor: null, error: null, isLoading: true };

/** @param {string} path @param {Record<string, any>} [query] */
export function useList(path, query = {}) {
  const [state, setState] = useState(NOTHING);
  const stop = useRef(new AbortController());
  const key = JSON.stringify(query);
  const load = useCallback(
    async (/** @type {any[]} */ before, /** @type {string | null} */ cursor) => {
      const { signal } = stop.current;
      setState((now) => ({ ...now, isLoading: true, error: null }));
      try {
        const page = await api.get(path, { query: { ...query, cursor }, signal });
        if (!signal.aborted) setState({ items: [...before, ...page.items], cursor: page.next_cursor ?? null, error: null, isLoading: false });
      } catch (error) {
        if (!signal.aborted) setState((now) => ({ ...now, error, isLoading: false }));
      }
    },
    [path, key],
  );
  const reload = useCallback(() => {
    stop.current.abort();
    stop.current = new AbortController();
    void load([], null);
  }, [load]);
  useEffect(() => {
    setState(NOTHING);
    reload();
    return () => stop.current.abort();
  }, [reload]);
  const more = () => void load(state.items ?? [], state.cursor);
  return { ...state, hasMore: state.cursor !== null, more, reload };
}

/** @param {{list: ReturnType<typeof useList>}} props */
export function MoreButton({ list }) {
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const before = useRef(0);
  const [came, setCame] = useState(0);
  const count = list.items?.length ?? 0;
  const more = () => {
    before.current = count;
    setCame(0);
    list.more();
  };
  useEffect(() => {
    if (!before.current || list.isLoading) return;
    setCame(Math.max(0, count - before.current));
    const first = box.current?.previousElementSibling?.querySelectorAll(":is(tbody, ul) > *")[before.current];
    if (!list.hasMore && document.activeElement === document.body && first instanceof HTMLElement) focusOn(first);
    before.current = 0;
  }, [list.isLoading]);
  return html`<div class=${list.hasMore ? "more" : ""} ref=${box}>
    ${list.hasMore ? html`<${Button} isBusy=${list.isLoading} onClick=${more}>${t("action.show_more")}</${Button}>` : null}
    <span class="visually-hidden" role="status">${came ? t("action.more_shown", { n: came }) : ""}</span>
  </div>`;
}
