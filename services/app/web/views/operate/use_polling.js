/**
 * usePolling(path, query, everyMs) → {data, error, reload}: asks again and again while the page is in view; the last data
 * stay while it asks.
 */
import { useEffect } from "preact/hooks";
import { api } from "../../api.js";
import { useQuery } from "../../components/hooks.js";

/** @param {string} path @param {Record<string, any>} query @param {number} everyMs */
export function usePolling(path, query, everyMs) {
  const found = useQuery((signal) => api.get(path, { query, signal }), [path, JSON.stringify(query)]);
  const { reload, isLoading } = found;
  useEffect(() => {
    if (isLoading) return undefined;
    const ask = () => {
      if (document.visibilityState === "visible") reload();
    };
    const timer = setInterval(ask, everyMs);
    document.addEventListener("visibilitychange", ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [isLoading, everyMs]);
  return found;
}
