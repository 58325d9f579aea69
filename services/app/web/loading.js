/**
 * Parts of the page that are loaded when they are first needed.
 *
 * later(load, Waiting): a component that `load` gives; Waiting stands in its place until it is there ·
 * insist(load, onTrouble, stop): goes on by itself once the service answers again.
 */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "./api.js";
import { unanswered } from "./problem.js";

/** A page that was loaded this short a while ago is not loaded anew. */
const FRESH_MS = 10_000;

/**
 * A browser may remember that a file did not come: where the service answers and the file still does not load, the
 * page is loaded anew, once.
 * @param {() => Promise<unknown>} load @param {(error: unknown) => void} onTrouble @param {AbortSignal} stop
 */
export async function insist(load, onTrouble, stop) {
  try {
    await load();
  } catch (error) {
    onTrouble(unanswered(error));
    await api.get("/service", { cache: "no-store", signal: stop });
    await load().catch((/** @type {unknown} */ again) => {
      if (performance.now() < FRESH_MS) throw again;
      location.reload();
      return new Promise(() => undefined);
    });
  }
}

/**
 * @param {() => Promise<any>} load gives the component @param {() => any} [Waiting]
 * @returns {(props: object) => any}
 */
export function later(load, Waiting = () => null) {
  /** @type {any} */
  let Found = null;
  const find = async () => {
    Found = await load();
  };
  return function Later(props) {
    const [, redraw] = useState(0);
    const drawn = Found;
    useEffect(() => {
      if (drawn) return undefined; // what another place has loaded since it was drawn is drawn all the same
      const stop = new AbortController();
      insist(find, () => undefined, stop.signal).then(
        () => redraw(1),
        (error) => stop.signal.aborted || console.warn(error),
      );
      return () => stop.abort();
    }, []);
    return Found ? html`<${Found} ...${props} />` : html`<${Waiting} />`;
  };
}
