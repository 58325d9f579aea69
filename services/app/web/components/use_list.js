/**
 * useList(path, query) → {items, error, isLoading, hasMore, more, reload}: a list of the API, page by page as a person asks
 * for more; items is null until the first page has come.
 * MoreButton: <${MoreButton} list />.
 */
import { html } from "htm/preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api.js";
import { t } from "../i18n/index.js";
import { Button } from "./button.js";

/** @typedef {{items: any[] | null, cursor: string | null, error: unknown, isLoading: boolean}} State */

/** @type {State} */
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

/** @param {{list: {hasMore: boolean, isLoading: boolean, more: () => void}}} props */
export function MoreButton({ list }) {
  if (!list.hasMore) return null;
  return html`<div class="more"><${Button} isBusy=${list.isLoading} onClick=${list.more}>${t("action.show_more")}</${Button}></div>`;
}
