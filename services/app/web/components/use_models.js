/** useModels() → {error, reload}: the models are loaded, and their prices and liveness looked at again while the view is open. */
import { useEffect } from "preact/hooks";
import { loadModels, reloadModels } from "../service.js";
import { useQuery } from "./hooks.js";

const REFRESH_MS = 15_000;

export function useModels() {
  const { error, reload } = useQuery(() => loadModels(), []);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible") reloadModels().catch(() => undefined);
    };
    const timer = setInterval(look, REFRESH_MS);
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return { error, reload };
}
