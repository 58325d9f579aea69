/** Password: <${Password} me />: changing it ends every session, and this one begins again. */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api.js";
import { Banner } from "../../components/banner.js";
import { Button } from "../../components/button.js";
import { TextField } from "../../components/field.js";
import { Section } from "../../components/section.js";
import { toast } from "../../components/toast.js";
import { about, explain } from "../../errors.js";
import { t } from "../../i18n/index.js";
import { ApiError } from "../../problem.js";
import { signIn } from "../../session.js";

/** @typedef {{field: "old" | "new" | null, text: string}} Wrong */

/** @param {unknown} error @returns {Wrong} */
function whatIsWrong(error) {
  if (!(error instanceof ApiError)) return { field: null, text: explain(error) };
  if (error.code === "wrong_credentials") return { field: "old", text: t("account.password_wrong") };
  const text = about(error, "password");
  return text ? { field: "new", text } : { field: null, text: explain(error) };
}

/** @param {string} username */
function usePassword(username) {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [wrong, setWrong] = useState(/** @type {Wrong | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong(null);
    try {
      await api.post("/users/me/password", { old_password: old, new_password: next });
      await signIn(username, next);
      await api.delete("/users/me/sessions"); // the one that the answer opened is of no use to the page
      setOld("");
      setNext("");
      toast(t("account.password_changed"));
    } catch (error) {
      setWrong(whatIsWrong(error));
    }
    setBusy(false);
  };
  return { old, setOld, next, setNext, wrong, isBusy, submit };
}

/** @param {{me: import("../../session.js").User}} props */
export function Password({ me }) {
  const { old, setOld, next, setNext, wrong, isBusy, submit } = usePassword(me.username);
  const form = /** @type {{current: HTMLFormElement | null}} */ (useRef(null));
  useEffect(() => {
    const field = wrong ? form.current?.querySelector("[aria-invalid]") : null;
    if (field instanceof HTMLElement) field.focus();
  }, [wrong]);
  return html`<${Section} title=${t("auth.password")} text=${t("account.password_text")}>
    <form class="form" ref=${form} onSubmit=${submit}>
      <input type="text" class="visually-hidden" tabindex="-1" aria-hidden="true" autocomplete="username" value=${me.username} readonly />
      <${TextField} label=${t("account.password_old")} type="password" autocomplete="current-password" required=${true} maxlength="128"
        value=${old} onValue=${setOld} error=${wrong?.field === "old" ? wrong.text : null} />
      <${TextField} label=${t("account.password_new")} type="password" autocomplete="new-password" required=${true} minlength="8" maxlength="128"
        hint=${t("auth.password_hint")} value=${next} onValue=${setNext} error=${wrong?.field === "new" ? wrong.text : null} />
      ${wrong?.field === null ? html`<${Banner} kind="danger">${wrong.text}</${Banner}>` : null}
      <div class="row"><${Button} type="submit" isBusy=${isBusy}>${t("account.password_change")}</${Button}></div>
    </form>
  </${Section}>`;
}
