/**
 * Signing in, creating an account, and signing in again when a session ended under the page: <${AuthDialogs} isEnded />
 * stands in the shell, auth.js says which is wanted.
 */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { closeAuth, goOn, openAuth, tryDemo, wanted } from "../auth.js";
import { about, explain, Faults } from "../errors.js";
import { t } from "../i18n/index.js";
import { ApiError } from "../problem.js";
import { service } from "../service.js";
import { forgetSession, register, signIn, user } from "../session.js";
import { Banner } from "./banner.js";
import { Button } from "./button.js";
import { Countdown } from "./countdown.js";
import { Dialog } from "./dialog.js";
import { TextField } from "./field.js";

/** @typedef {import("../auth.js").AuthKind} AuthKind */

const NAME = /^[\p{L}\p{M}\p{N}_][\p{L}\p{M}\p{N}_.@+-]{1,62}[\p{L}\p{M}\p{N}_]$/u;
const PASSWORD_MIN = 8;

/**
 * The rules that can be told here, in the person's language.
 * @param {string} username @param {string} password @param {boolean} isNew @returns {Record<string, string>}
 */
function faultsOf(username, password, isNew) {
  /** @type {Record<string, string>} */
  const found = {};
  if (isNew && !NAME.test(username)) found.username = t("auth.name_rule");
  if (isNew && password.length < PASSWORD_MIN) found.password = t("auth.password_rule", { n: PASSWORD_MIN });
  if (!username) found.username = t("fault.required");
  if (!password) found.password = t("fault.required");
  return found;
}

/** @param {number} n seconds @returns {string} */
const waitWords = (n) => t("auth.wait", { n });

/** @param {HTMLFormElement | null} form */
function focusOnFault(form) {
  const found = form?.querySelector("[aria-invalid]") ?? form?.querySelector("[type=password]");
  if (found instanceof HTMLElement) found.focus();
}

/**
 * @param {{submit: (username: string, password: string) => Promise<unknown>, action: string, isNew?: boolean,
 *   fixedName?: string, onDone: () => void, children?: any}} props
 */
function Credentials({ submit, action, isNew = false, fixedName, onDone, children }) {
  const [username, setUsername] = useState(fixedName ?? "");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [pausedUntil, setPausedUntil] = useState(0);
  const form = /** @type {{current: HTMLFormElement | null}} */ (useRef(null));

  /** @param {Event} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      const name = username.trim();
      const faults = faultsOf(name, password, isNew);
      if (Object.keys(faults).length) throw new Faults(faults);
      await submit(name, password);
      onDone();
    } catch (found) {
      setBusy(false);
      setError(found);
      const wait = found instanceof ApiError && found.status === 429 ? found.retryAfterS : null;
      setPausedUntil(wait ? Date.now() + wait * 1000 : 0);
    }
  };
  const isTaken = error instanceof ApiError && error.code === "username_taken";
  const nameError = isTaken ? explain(error) : about(error, "username");
  const passwordError = about(error, "password");
  useEffect(() => {
    if (error) focusOnFault(form.current);
  }, [error]);
  const isElsewhere = error && !nameError && !passwordError;
  return html`<form class="stack" ref=${form} onSubmit=${onSubmit} noValidate>
    ${children}
    ${fixedName
      ? html`<input type="hidden" autocomplete="username" value=${fixedName} />`
      : html`<${TextField}
          label=${t("auth.name")}
          hint=${isNew && !nameError ? t("auth.name_hint") : null}
          error=${nameError}
          value=${username}
          onValue=${setUsername}
          autocomplete="username"
          autocapitalize="none"
          spellcheck=${false}
          autofocus
          required
        />`}
    <${TextField}
      type="password"
      label=${t("auth.password")}
      hint=${isNew && !passwordError ? t("auth.password_hint") : null}
      error=${passwordError}
      value=${password}
      onValue=${setPassword}
      autocomplete=${isNew ? "new-password" : "current-password"}
      autofocus=${Boolean(fixedName)}
      required
    />
    ${isElsewhere ? html`<${Failure} error=${error} pausedUntil=${pausedUntil} />` : null}
    <${Button} kind="primary" type="submit" isBusy=${isBusy} class="button--wide">${action}</${Button}>
  </form>`;
}

/** @param {{error: unknown, pausedUntil: number}} props */
function Failure({ error, pausedUntil }) {
  if (pausedUntil > Date.now()) {
    return html`<${Banner} kind="warning">
      <${Countdown} until=${pausedUntil} render=${waitWords} />
    </${Banner}>`;
  }
  return html`<${Banner} kind="danger">${explain(error)}</${Banner}>`;
}

/** The way to the other dialog. @param {{kind: AuthKind}} props */
function Other({ kind }) {
  return html`<button class="link" type="button" onClick=${() => openAuth(kind)}>${t(`auth.${kind}`)}</button>`;
}

function SignInDialog() {
  return html`<${Dialog} title=${t("auth.sign_in")} onClose=${closeAuth}>
    <${Credentials} submit=${signIn} action=${t("auth.sign_in")} onDone=${goOn} />
    ${service.value?.registration === "closed"
      ? html`<p class="dialog__aside muted">${t("auth.closed")}</p>`
      : html`<p class="dialog__aside muted">
          ${t("auth.new_here")} <${Other} kind="create" />
        </p>`}
  </${Dialog}>`;
}

function CreateDialog() {
  const free = service.value?.starting_credits;
  return html`<${Dialog} title=${t("auth.create")} onClose=${closeAuth}>
    <${Credentials} submit=${register} action=${t("auth.create")} onDone=${goOn} isNew>
      ${free ? html`<p class="muted">${t("auth.free", { n: free })}</p>` : null}
    </${Credentials}>
    <p class="dialog__aside muted">
      ${t("auth.have_account")} <${Other} kind="sign_in" />
    </p>
  </${Dialog}>`;
}

/** Nobody has to know the demo user's password: going on is one click, as coming was. @param {{keeps: boolean}} props */
function EndedDemo({ keeps }) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const goOnAsDemo = async () => {
    setBusy(true);
    await tryDemo().catch(setError);
    setBusy(false);
  };
  return html`<div class="stack">
    ${keeps ? html`<p class="muted">${t("auth.again_demo")}</p>` : null}
    ${error ? html`<${Failure} error=${error} pausedUntil=${0} />` : null}
    <${Button} kind="primary" class="button--wide" isBusy=${isBusy} onClick=${goOnAsDemo} autofocus>
      ${t("auth.continue")}
    </${Button}>
  </div>`;
}

/** Whether something was typed that signing in again brings back. */
function hasText() {
  const fields = document.querySelectorAll("main textarea, main input:not([type=search], [type=checkbox], [type=file])");
  return [...fields].some((one) => /** @type {HTMLInputElement} */ (one).value.trim() !== "");
}

function EndedDialog() {
  const nothing = () => undefined;
  const [keeps] = useState(hasText);
  const [isBlocked, setBlocked] = useState(false);
  /** @param {string} username @param {string} password */
  const again = async (username, password) => {
    try {
      await signIn(username, password);
    } catch (error) {
      setBlocked(error instanceof ApiError && error.code === "blocked");
      throw error;
    }
  };
  return html`<${Dialog} title=${t(isBlocked ? "auth.blocked_title" : "auth.again_title")} onClose=${nothing} canClose=${false}>
    ${user.value?.is_demo
      ? html`<${EndedDemo} keeps=${keeps} />`
      : html`<${Credentials} submit=${again} action=${t("auth.sign_in")} fixedName=${user.value?.username} onDone=${nothing}>
          ${isBlocked ? null : html`<p class="muted">${t(keeps ? "auth.again" : "auth.again_plain")}</p>`}
          <p class="dialog__who">${user.value?.username}</p>
        </${Credentials}>`}
    <p class="dialog__aside"><button class="link" type="button" onClick=${forgetSession}>${t("auth.other")}</button></p>
  </${Dialog}>`;
}

/** @param {{isEnded: boolean}} props */
export function AuthDialogs({ isEnded }) {
  if (isEnded) return html`<${EndedDialog} />`;
  if (wanted.value === "sign_in") return html`<${SignInDialog} key="sign_in" />`;
  if (wanted.value === "create") return html`<${CreateDialog} key="create" />`;
  return null;
}
