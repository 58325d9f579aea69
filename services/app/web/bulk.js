/**
 * Many predictions at once, behind one interface: createBulkRunner({api, store}) → start, open, resume, cancel, restore,
 * discard, leave, subscribe, state, answered.
 *
 * All rows go to the service in one request, whose Idempotency-Key is stored before it is sent, so that a reload sends it
 * again without paying twice. From then on the service does the work, and this follows it: a closed page loses nothing.
 * The rows stay on this device, for a result that has the columns of the file.
 */
import { jobsOf } from "./bulk/jobs.js";
import { cut } from "./bulk/pieces.js";
import { Rate } from "./bulk/rate.js";
import { KEY_KEPT_MS, newKey } from "./lib/ids.js";

/** @typedef {import("./bulk/types.js").Piece} Piece */
/** @typedef {import("./bulk/types.js").Job} Job */
/** @typedef {import("./bulk/types.js").JobState} JobState */
/** @typedef {import("./bulk/types.js").JobProblem} JobProblem */
/** @typedef {import("./bulk/types.js").Order} Order */
/** @typedef {import("./bulk/types.js").Remote} Remote */
/** @typedef {import("./problem.js").ApiError} ApiError */
/** @typedef {{ api: import("./bulk/types.js").Api, store: import("./bulk/types.js").Store, pollMs?: number, now?: () => number }} Parts */

const POLL_MS = 1000;
const RETRY_S = 3;
/**
 * Refusals that the service gives only to a key that it does not know: no earlier attempt was accepted either, and the
 * next one is a first one, at the price of its time.
 */
const REFUSALS = new Set([
  "insufficient_credits", "too_many_queued", "model_disabled", "model_not_found", "model_not_allowed", "key_cap_exceeded",
  "invalid_input",
]);
const NOTHING = { succeeded: 0, failed: 0, canceled: 0, refused: 0, charged: 0 };
/** @type {JobState} */
export const IDLE = { phase: "idle", job: null, done: 0, perSecond: 0, secondsLeft: null, problem: null };

/** @param {Parts} parts */
export function createBulkRunner(parts) {
  return new BulkRunner(parts);
}

export class BulkRunner {
  /** @type {Set<(state: JobState) => void>} */
  #listeners = new Set();
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {() => void} */
  #wake = () => {};
  #isCancelSent = false;

  /** @param {Parts} parts */
  constructor({ api, store, pollMs = POLL_MS, now = Date.now }) {
    this.jobs = jobsOf(api);
    this.store = store;
    this.pollMs = pollMs;
    this.now = now;
    this.rate = new Rate(now);
    this.state = IDLE;
  }

  /**
   * @param {(state: JobState) => void} listener Called at every change.
   * @returns {() => void} Ends it.
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param {Order} order */
  async start({ items, ...rest }) {
    const id = newKey();
    const pieces = cut(id, items);
    /** @type {Job} */
    const job = {
      ...rest, id, key: newKey(), bulkId: null, sentAt: null, total: items.length, pieces: pieces.length,
      startedAt: this.now(), phase: "running", counts: NOTHING,
    };
    const before = await this.store.loadJob(job.owner);
    if (before) await this.store.deleteJob(before.id);
    await this.store.savePieces(pieces);
    await this.store.saveJob(job);
    this.#take(job);
    this.#run();
  }

  /**
   * Find the job that a reload left behind, or one that was begun on another device, and go on with it.
   * @param {string} owner
   */
  async restore(owner) {
    if (this.state.job?.owner === owner) return;
    if (!this.state.job) await this.#running; // a job that was left may still wait for an answer
    const job = (await this.store.loadJob(owner)) ?? (await this.#fromElsewhere(owner));
    if (!job) return;
    this.#take(job);
    this.#run();
  }

  /**
   * Show a job as the service has it, without the rows that it was made of.
   * @param {Remote} found @param {string} owner
   */
  async open(found, owner) {
    await this.leave();
    this.#take(withoutRows(found, owner));
    this.#run();
  }

  /** Send it again after what held it up is mended. */
  async resume() {
    const { phase, problem, job } = this.state;
    if (!job || phase !== "stopped" || problem?.code === "key_forgotten") return;
    await this.#set({ phase: "running", price: problem?.price ?? job.price });
    this.#run();
  }

  /** Cancel what has not ended. */
  async cancel() {
    const { job, phase } = this.state;
    if (!job || phase === "finished" || phase === "canceled") return;
    const isRefused = phase === "stopped" && job.bulkId === null;
    await this.#set({ phase: isRefused ? "canceled" : "canceling" });
    this.#wake();
    this.#run();
  }

  /** Stop following here, and keep the job: another tab or the next visit goes on with it. */
  async leave() {
    this.#publish(IDLE);
    this.#wake();
    await this.#running;
  }

  /** Forget the job and its rows on this device. */
  async discard() {
    const { job } = this.state;
    await this.leave();
    if (job) await this.store.deleteJob(job.id);
  }

  /**
   * All rows of a job with their answers, in the order of the input, some at a time; another job may be shown by then.
   * @param {Job} job @returns {AsyncGenerator<import("./bulk/types.js").AnsweredRows>}
   */
  async *answered(job) {
    if (job.bulkId === null) return;
    const answers = this.jobs.results(job.bulkId);
    for await (const { items } of this.#pieces(job)) {
      const found = [];
      for (let row = 0; row < items.length; row += 1) found.push((await answers.next()).value ?? null);
      yield { items, answers: found };
    }
  }

  /** Ends when nothing runs. */
  async settled() {
    await this.#running;
  }

  /** @param {Job} job @returns {AsyncGenerator<Piece>} */
  async *#pieces(job) {
    for (let number = 0; number < job.pieces; number += 1) {
      const piece = await this.store.loadPiece(job.id, number);
      if (!piece) throw new Error(`Piece ${number} is not in the store.`);
      yield piece;
    }
  }

  /** @param {string} owner @returns {Promise<Job | null>} */
  async #fromElsewhere(owner) {
    const found = await this.jobs.unfinished().catch(() => null);
    return found && withoutRows(found, owner);
  }

  /** @param {Job} job */
  #take(job) {
    this.#isCancelSent = false;
    this.rate = new Rate(this.now);
    this.#publish({ ...IDLE, phase: job.phase, job, done: rowsOf(job) });
  }

  #run() {
    this.#running ??= this.#loop().finally(() => {
      this.#running = null;
      if (this.#isActive()) this.#run(); // resumed while the last round ended
    });
  }

  async #loop() {
    while (this.#isActive()) {
      try {
        if (this.state.phase === "waiting") await this.#set({ phase: "running" });
        await this.#note(await this.#ask());
        if (this.#isActive()) await this.#sleep(this.pollMs);
      } catch (error) {
        await this.#onError(/** @type {ApiError} */ (error));
      }
    }
  }

  #isActive() {
    const { phase } = this.state;
    return phase === "running" || phase === "waiting" || phase === "canceling";
  }

  /** @returns {Promise<Remote | null>} What the service says of the job now; null: the job was left, or stopped here. */
  async #ask() {
    const { job, phase } = this.state;
    if (!job) return null;
    if (job.bulkId === null) {
      const sentAt = job.sentAt ?? this.now();
      if (this.now() - sentAt > KEY_KEPT_MS) {
        await this.#set({ phase: "stopped" }, problemOf("key_forgotten"));
        return null;
      }
      if (job.sentAt === null && !(await this.#maySend(job))) return null;
      await this.#set({ sentAt });
      return this.jobs.send(job, this.#pieces(job));
    }
    if (phase === "canceling" && !this.#isCancelSent) {
      const found = await this.jobs.cancel(job.bulkId);
      this.#isCancelSent = true;
      return found;
    }
    return this.jobs.look(job.bulkId);
  }

  /**
   * Whether it may be sent; what was sent already has its price, and sending it again costs nothing.
   * @param {Job} job @returns {Promise<boolean>}
   */
  async #maySend(job) {
    if (await this.#isCanceledUnsent(null)) return false;
    const price = await this.jobs.price(job.model);
    if (this.state.job?.id !== job.id) return false; // it was left meanwhile
    if (await this.#isCanceledUnsent(null)) return false;
    if (price === job.price) return true;
    await this.#set({ phase: "stopped" }, problemOf("price_changed", { more: { price, cost: price * job.total } }));
    return false;
  }

  /**
   * Whether a person canceled what the service has nothing of; then it has ended.
   * @param {number | null} sentAt Of an attempt that may have been accepted. @returns {Promise<boolean>}
   */
  async #isCanceledUnsent(sentAt) {
    if (this.state.phase !== "canceling" || this.state.job?.bulkId !== null || sentAt !== null) return false;
    await this.#set({ phase: "canceled", sentAt });
    return true;
  }

  /** @param {Remote | null} found */
  async #note(found) {
    const { job } = this.state;
    if (!job || !found) return;
    const counts = countsOf(found);
    const done = rowsOf({ counts });
    this.rate.add(done);
    this.#publish({ ...this.state, done, perSecond: this.rate.perSecond(), secondsLeft: found.estimated_s });
    /** @type {Partial<Job>} */
    const change = { bulkId: found.bulk_id, counts };
    if (found.finished_at !== null) change.phase = phaseOf(found);
    await this.#set(change);
  }

  /** @param {ApiError} error */
  async #onError(error) {
    const { job } = this.state;
    if (!job) return;
    const problem = problemOf(error.code ?? "unknown", error);
    const sentAt = job.bulkId === null && REFUSALS.has(problem.code) ? null : job.sentAt;
    if (await this.#isCanceledUnsent(sentAt)) return;
    if (!error.isTransient) {
      await this.#set({ phase: "stopped", sentAt }, problem);
      return;
    }
    const waitMs = (error.retryAfterS ?? RETRY_S) * 1000;
    if (this.state.phase === "running") {
      this.#publish({ ...this.state, phase: "waiting", problem: { ...problem, retryAt: this.now() + waitMs } });
    }
    const woken = this.#sleep(waitMs); // from here on, so that a cancel while it is stored ends it
    if (sentAt !== job.sentAt) await this.#set({ sentAt }, this.state.problem);
    await woken;
  }

  /** @param {number} ms @returns {Promise<void>} */
  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** States are never changed in place: who draws them compares. @param {Partial<Job>} change @param {JobProblem | null} [problem] */
  async #set(change, problem = null) {
    if (!this.state.job) return;
    const job = { ...this.state.job, ...change };
    this.#publish({ ...this.state, phase: change.phase ?? this.state.phase, job, problem });
    if (job.pieces > 0) await this.store.saveJob(job);
  }

  /** @param {JobState} state */
  #publish(state) {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

/** @param {Remote} found @returns {import("./bulk/types.js").JobPhase} */
function phaseOf(found) {
  if (found.finished_at === null) return "running";
  return found.status === "canceled" ? "canceled" : "finished";
}

/** @param {Remote} found @returns {import("./bulk/types.js").Counts} */
function countsOf({ succeeded, failed, canceled, charged, lines_invalid: refused }) {
  return { succeeded, failed, canceled, refused, charged };
}

/** @param {Remote} found @param {string} owner @returns {Job} */
function withoutRows(found, owner) {
  return {
    id: found.bulk_id, owner, key: "", bulkId: found.bulk_id, sentAt: null, model: found.model, name: "", columns: [],
    delimiter: ",", total: found.lines, pieces: 0, price: 0, startedAt: Date.parse(found.created_at), phase: phaseOf(found),
    counts: countsOf(found),
  };
}

/** @param {Pick<Job, "counts">} job @returns {number} Rows that have ended. */
function rowsOf({ counts }) {
  return counts.succeeded + counts.failed + counts.canceled + counts.refused;
}

/** @param {string} code @param {Partial<ApiError>} [error] @returns {JobProblem} */
function problemOf(code, error = {}) {
  return {
    code,
    detail: error.detail ?? "",
    retryAt: null,
    cost: error.more?.cost ?? null,
    balance: error.more?.balance ?? null,
    price: error.more?.price ?? null,
    requestId: error.requestId ?? null,
  };
}
