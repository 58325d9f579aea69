/**
 * Countdown: <${Countdown} until=${ms since 1970} render=${(seconds) => t("…", {n: seconds})} />: whole seconds left, once
 * a second. useSecondsLeft(until) is the number alone. Screen readers hear the first text only.
 */
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";

/** @param {number} until @returns {number} */
const left = (until) => Math.max(0, Math.ceil((until - Date.now()) / 1000));

/** @param {number} until @returns {number} seconds left */
export function useSecondsLeft(until) {
  const [seconds, setSeconds] = useState(left(until));
  useEffect(() => {
    setSeconds(left(until));
    const timer = setInterval(() => setSeconds(left(until)), 250);
    return () => clearInterval(timer);
  }, [until]);
  return seconds;
}

/** @param {{until: number, render: (seconds: number) => any}} props */
export function Countdown({ until, render }) {
  const seconds = useSecondsLeft(until);
  const [first] = useState(() => render(left(until)));
  return html`<span class="countdown" aria-hidden="true">${render(seconds)}</span>
    <span class="visually-hidden">${first}</span>`;
}
