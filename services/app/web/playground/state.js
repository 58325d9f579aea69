/**
 * What the playground holds; it outlives the view, so that nothing typed is lost by looking elsewhere.
 *
 * chosen (signal, a model's name or null) · model() → the Model or null · formOf(model) → its form's value ·
 * setForm(name, value) · run (signal): the question that is shown beside the form, or null · faults (signal): messages
 * by path · isInForm(name, input) · ask(model) · show(id) · again() · retry() · cancel() · reset() · followUser(), followModel()
 */
import { effect, signal, untracked } from "@preact/signals";
import { api } from "../api.js";
import { language, t } from "../i18n/index.js";
import { newKey } from "../lib/ids.js";
import { writeJson } from "../lib/json.js";
import { check, clean, errorsByPath, excerpt, initial, kindOf, toForm } from "../lib/schema.js";
import { balance, connection, held, isErased, isTerminal } from "../live.js";
import { ApiError } from "../problem.js";
import { go } from "../router.js";
import { models, reloadModels, service } from "../service.js";
import { user } from "../session.js";
import { follow, repeated } from "./follow.js";

/**
 * @typedef {import("../service.js").Model} Model
 * @typedef {import("../live.js").Prediction} Prediction
 * @typedef {{id: string | null, model: string, input: any, phase: "sending" | "open" | "done" | "refused",
 *   delay: import("../api.js").Delay | null, prediction: Prediction | null, error: unknown,
 *   price: number | null, repeats: string | null}} Run id: of the prediction, once it is known; price: as it was shown when
 *   the question was sent; repeats: the id of the one that is asked once more
 */

const DRAFT_MAX = 200_000;
/** How often it is looked, while a question waits, whether its model still runs. */
const LIVENESS_MS = 4_000;
/** What the API says of a model that is no longer to be asked. */
export const GONE = new Set(["model_not_found", "model_disabled"]);
const TEXTS = new Set(["text", "longtext"]);
/** @type {Run} */
const NOTHING_YET = {
  id: null,
  model: "",
  input: null,
  phase: "sending",
  delay: null,
  prediction: null,
  error: null,
  price: null,
  repeats: null,
};

/** @type {import("@preact/signals").Signal<string | null>} */
export const chosen = signal(null);
/** @type {import("@preact/signals").Signal<Record<string, any>>} */
const forms = signal({});
/** @type {import("@preact/signals").Signal<Run | null>} */
export const run = signal(null);
/** @type {import("@preact/signals").Signal<Record<string, string>>} */
export const faults = signal({});
/** Whether the form was filled in since the page was opened. */
export const isTouched = signal(false);
/** Grows with each answer, for the list of the last ones. */
export const answers = signal(0);
/** Of the run that is shown: it is aborted as soon as another takes its place. */
let following = new AbortController();

/** @returns {Model | null} the chosen model, else the default one */
export function model() {
  const all = models.value ?? [];
  const name = chosen.value ?? service.value?.default_model;
  return all.find((one) => one.name === name) ?? all.find((one) => one.is_default) ?? all[0] ?? null;
}

/** @param {Model} one */
export function formOf(one) {
  return forms.value[one.name] ?? initial(one.input_schema);
}

/** @param {string} name @param {any} value */
export function setForm(name, value) {
  forms.value = { ...forms.value, [name]: value };
  isTouched.value = true;
  if (Object.keys(faults.peek()).length) faults.value = {};
}

/** @param {Model} one @param {any} input */
export function fill(one, input) {
  setForm(one.name, toForm(one.input_schema, input));
}

/** A model's examples, those in the person's language first. @param {Model} one @returns {any[]} */
export function examplesOf(one) {
  const isRussian = language.value === "ru";
  /** @param {any} input */
  const rank = (input) => Number(/[а-яё]/i.test(excerpt(input)) !== isRussian);
  return [...(one.examples ?? [])].sort((a, b) => rank(a) - rank(b));
}

/** @param {string} name */
export function choose(name) {
  chosen.value = name;
  faults.value = {};
}

/** Texts go along to a model that asks for the same and has nothing in its form. @param {Model} from @param {Model} to */
function carry(from, to) {
  const empty = initial(to.input_schema);
  if (JSON.stringify(formOf(to)) !== JSON.stringify(empty)) return;
  const typed = formOf(from);
  /** @param {Model} one @param {string} name */
  const isText = (one, name) => {
    const schema = one.input_schema.properties?.[name];
    return schema !== undefined && TEXTS.has(kindOf(schema, 1));
  };
  const shared = Object.keys(to.input_schema.properties ?? {}).filter((name) => isText(from, name) && isText(to, name));
  const texts = shared.filter((name) => typed[name]).map((name) => [name, typed[name]]);
  if (texts.length) setForm(to.name, { ...empty, ...Object.fromEntries(texts) });
}

/** Another model was chosen, or took the place of one that is no longer offered. */
export function followModel() {
  let last = /** @type {Model | null} */ (null);
  effect(() => {
    const now = model();
    const before = last;
    if (now) last = now;
    if (before && now && now.name !== before.name) untracked(() => carry(before, now));
  });
}

/** What the person typed, for a reload of the tab. */
export function rememberDraft() {
  const text = JSON.stringify({ chosen: chosen.peek(), forms: forms.peek() });
  try {
    if (text.length <= DRAFT_MAX) sessionStorage.setItem("draft", text);
  } catch {
    // A draft that does not fit is lost with its tab.
  }
}

export function recallDraft() {
  try {
    const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
    if (!draft) return;
    chosen.value = draft.chosen;
    forms.value = draft.forms;
  } catch {
    sessionStorage.removeItem("draft");
  }
}

/**
 * Show another run in place of the one that was shown.
 * @param {Run | null} next @returns {AbortSignal} of the next one, by which it is changed
 */
function replace(next) {
  following.abort();
  following = new AbortController();
  run.value = next;
  return following.signal;
}

/** An answer that comes once another run is shown changes nothing. @param {AbortSignal} stop of its run @param {Partial<Run>} changes */
function update(stop, changes) {
  if (run.value && !stop.aborted) run.value = { ...run.value, ...changes };
}

/**
 * Whether the form can be sent; else `faults` says why not.
 * @param {Model} one @param {string[]} [unfinished] paths of what is typed only in part
 */
export function isReady(one, unfinished = []) {
  const found = [...check(one.input_schema, formOf(one)), ...unfinished.map((path) => ({ path, code: "unfinished", limit: 0 }))];
  faults.value = Object.fromEntries(found.map(({ path, code, limit }) => [path, t(`fault.${code}`, { n: limit })]));
  return found.length === 0;
}

/** @param {string} name of a model @param {any} input @returns {boolean} whether the form would ask the same */
export function isInForm(name, input) {
  const one = model();
  if (one?.name !== name) return false;
  /** @param {any} value */
  const asked = (value) => writeJson(clean(one.input_schema, value));
  return asked(formOf(one)) === asked(toForm(one.input_schema, input));
}

/** Ask the model what the form says. @param {Model} one */
export async function ask(one) {
  if (!isReady(one)) return;
  await submit(one.name, clean(one.input_schema, formOf(one)));
}

/** The same question once more: what was accepted is repeated by the service, to the letter. */
export async function again() {
  const last = run.peek();
  if (last) await submit(last.model, last.input, last.prediction?.id ?? last.repeats);
}

/** After a failure: what was accepted, or only looked for, is loaded; what was not is asked again. */
export async function retry() {
  const id = run.peek()?.id;
  await (id ? show(id) : again());
}

/** @param {string} name @param {any} input @param {string | null} [repeats] the id of the one that is asked once more */
async function submit(name, input, repeats = null) {
  const price = models.peek()?.find((each) => each.name === name)?.price_credits ?? null;
  const stop = replace({ ...NOTHING_YET, model: name, input, price, repeats });
  try {
    const options = {
      key: newKey(),
      signal: stop,
      onWait: (/** @type {import("../api.js").Delay | null} */ delay) => update(stop, { delay }),
    };
    const asked = repeats ? repeated(repeats, options) : api.post("/predictions/predict", { model: name, input }, options);
    await watch(await asked, stop);
  } catch (error) {
    if (!stop.aborted) refuse(error, stop);
  }
}

/** @param {unknown} error @param {AbortSignal} stop */
function refuse(error, stop) {
  if (error instanceof ApiError && error.code === "invalid_input" && error.errors.length) {
    const said = Object.entries(errorsByPath(error.errors));
    faults.value = Object.fromEntries(said.map(([path, message]) => [path, t("fault.refused", { message })]));
    run.value = null;
    return;
  }
  if (error instanceof ApiError && GONE.has(error.code)) reloadModels().catch(() => undefined);
  update(stop, { phase: "refused", error, delay: null });
}

/** @param {Prediction} first @param {AbortSignal} stop */
async function watch(first, stop) {
  /** @param {Prediction} next */
  const take = (next) => update(stop, { id: next.id, prediction: next, phase: isTerminal(next) ? "done" : "open", delay: null });
  take(first);
  if (!isTerminal(first)) {
    const look = setInterval(() => reloadModels().catch(() => undefined), LIVENESS_MS);
    await follow(first, take, stop).finally(() => clearInterval(look));
  }
  if (stop.aborted) return;
  answers.value += 1;
  reloadModels().catch(() => undefined); // what the next answer costs may have changed
  if (connection.peek() !== "live") await lookAtBalance();
}

/** Without a stream the balance is asked for. */
async function lookAtBalance() {
  const found = await api.get("/balance").catch(() => null);
  if (!found) return;
  balance.value = found.balance;
  held.value = found.held;
}

/** Show one's own prediction, with its input in the form. @param {string} id */
export async function show(id) {
  const last = run.peek();
  if (last?.prediction?.id === id && last.phase !== "refused") return;
  const stop = replace({ ...NOTHING_YET, id });
  try {
    const found = await api.get(`/predictions/${encodeURIComponent(id)}`, { signal: stop });
    if (stop.aborted) return;
    const one = models.peek()?.find((each) => each.name === found.model);
    if (one) {
      choose(one.name);
      if (!isErased(found)) fill(one, found.input);
    }
    update(stop, { model: found.model, input: found.input });
    await watch(found, stop);
  } catch (error) {
    update(stop, { phase: "refused", error });
  }
}

/** Take back what still waits. */
export async function cancel() {
  const id = run.peek()?.prediction?.id;
  if (!id) {
    replace(null);
    return;
  }
  const { signal: stop } = following;
  const ended = await api.post(`/predictions/${id}/cancel`);
  if (ended) update(stop, { prediction: ended, phase: isTerminal(ended) ? "done" : "open" });
}

/** Another person's answer is not shown, and after a sign-out what was typed is gone too. */
export function followUser() {
  let known = user.peek()?.id ?? null;
  user.subscribe((now) => {
    const next = now?.id ?? null;
    if (known !== null && next !== known) reset();
    if (known !== null && next !== null && next !== known && location.pathname.startsWith("/app/predict/")) {
      go("/app/predict", { replace: true }); // the address names an answer of the other
    }
    if (known !== null && next === null) {
      forms.value = {};
      rememberDraft();
    }
    known = next;
  });
}

/** Forget the answer that is shown. */
export function reset() {
  replace(null);
  faults.value = {};
}
