/**
 * useQuery(load, deps) → {data, error, isLoading, reload, setData}: load(signal) runs when a dep changes and is aborted
 * when the view leaves; the last data stay while it loads again.
 * useKey(keys, handler): a key of the whole page ("/", "Escape", "ctrl+Enter"), not while typing unless it has ctrl.
 */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {unknown[]} deps
 */
export function useQuery(load, deps) {
  const [data, setData] = useState(/** @type {T | null} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [isLoading, setLoading] = useState(true);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setLoading(true);
    load(stop.signal)
      .then(
        (found) => {
          if (stop.signal.aborted) return;
          setData(() => found);
          setError(null);
        },
        (found) => {
          if (!stop.signal.aborted) setError(found);
        },
      )
      .finally(() => {
        if (!stop.signal.aborted) setLoading(false);
      });
    return () => stop.abort();
  }, [...deps, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { data, error, isLoading, reload, setData };
}

/** @param {string} key @param {(event: KeyboardEvent) => void} handler */
export function useKey(key, handler) {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const hasCtrl = key.startsWith("ctrl+");
    const name = key.replace("ctrl+", "");
    /** @param {KeyboardEvent} event */
    const onKey = (event) => {
      const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (event.key !== name || (event.ctrlKey || event.metaKey) !== hasCtrl || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]") || (isTyping && !hasCtrl)) return;
      latest.current(event);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [key]);
}
