import assert from "node:assert/strict";
import { test } from "node:test";

import { createBulkRunner } from "../../services/app/web/bulk.js";
import { resultLines } from "../../services/app/web/bulk/results.js";
import { memoryStore } from "../../services/app/web/bulk/store.js";
import { ApiError } from "../../services/app/web/problem.js";

/** @typedef {{ status: string, text: string, cost: number }} Line */
/** @typedef {import("../../services/app/web/bulk/types.js").Remote & { rows: Line[] }} Stored */

/** The rules of bulk jobs that the runner relies on: keys, prices, states, results in the order of the rows. */
class Service {
  constructor(credits = 1_000_000) {
    this.credits = credits;
    this.price = 1;
    /** @type {Map<string, Stored>} */
    this.jobs = new Map();
    /** @type {Map<string, Stored>} */
    this.byKey = new Map();
    this.isResting = false; // nothing is computed
    /** @type {(() => void)[]} Each is called once, before a request is handled, and may throw. */
    this.before = [];
    /** @type {(() => void)[]} Each is called once, after a job was accepted: the answer is lost. */
    this.after = [];
  }

  /** @param {string} path */
  async get(path) {
    if (path === "/models/sentiment") return { price_credits: this.price };
    this.before.shift()?.();
    if (path.startsWith("/bulk?")) return { items: [...this.jobs.values()].reverse().slice(0, 1) };
    const job = this.#job(path.split("/")[2] ?? "");
    if (!this.isResting) this.#work(job);
    return shown(job);
  }

  /** @param {string} path @param {any} [body] @param {{ key?: string }} [options] */
  async post(path, body, { key = "" } = {}) {
    this.before.shift()?.();
    if (path.endsWith("/cancel")) return this.#cancel(this.#job(path.split("/")[2] ?? ""));
    assert.ok(body instanceof Blob);
    assert.equal(body.type, "application/x-ndjson");
    const known = this.byKey.get(key);
    if (known) return shown(known);
    const texts = (await body.text()).trimEnd().split("\n").map((line) => /** @type {string} */ (JSON.parse(line).text));
    const rows = texts.map((text) => ({ text, status: text.startsWith("bad") ? "invalid" : "queued", cost: 0 }));
    const cost = this.price * rows.filter(({ status }) => status === "queued").length;
    if (cost > this.credits) throw new ApiError(402, "insufficient_credits", "Too dear", { more: { cost, balance: this.credits } });
    this.credits -= cost;
    const job = {
      bulk_id: `bulk-${this.jobs.size}`, status: /** @type {const} */ ("running"), model: "sentiment", source: "web", lines: rows.length, lines_invalid: rows.length - cost,
      succeeded: 0, failed: 0, canceled: 0, charged: 0, estimated_s: null, created_at: "2026-11-25T00:00:00Z", finished_at: null, rows,
    };
    this.jobs.set(job.bulk_id, job);
    this.byKey.set(key, job);
    this.after.shift()?.();
    return shown(job);
  }

  /** @param {string} _method @param {string} path */
  async raw(_method, path) {
    const lines = this.#job(path.split("/")[2] ?? "").rows.map(({ text, status, cost }, place) =>
      JSON.stringify({
        line: place + 1, id: null, status, cost,
        output: status === "succeeded" ? { label: text.toUpperCase(), scores: { a: 0.5 } } : null,
        error: status === "succeeded" || status === "queued" ? null : { code: status, message: `It is ${status}` },
      }),
    );
    return new Response(`${lines.join("\n")}\n`);
  }

  /** @param {string} id */
  #job(id) {
    const found = this.jobs.get(id);
    assert.ok(found);
    return found;
  }

  /** @param {Stored} job */
  #work(job) {
    for (const row of job.rows.filter(({ status }) => status === "queued").slice(0, 4000)) {
      const isGood = !row.text.startsWith("fail");
      Object.assign(row, { status: isGood ? "succeeded" : "failed", cost: isGood ? 1 : 0 });
      job.succeeded += isGood ? 1 : 0;
      job.failed += isGood ? 0 : 1;
      job.charged += isGood ? 1 : 0;
      this.credits += isGood ? 0 : 1;
    }
    if (job.rows.every(({ status }) => status !== "queued")) {
      if (job.status === "running") job.status = "finished";
      job.finished_at = "2026-11-26T00:00:00Z";
    }
  }

  /** @param {Stored} job */
  #cancel(job) {
    if (job.finished_at !== null && job.status !== "canceled") throw new ApiError(409, "already_finished", "It has ended.");
    job.status = "canceled";
    for (const row of job.rows.filter(({ status }) => status === "queued")) {
      row.status = "canceled";
      job.canceled += 1;
      this.credits += 1;
    }
    return shown(job);
  }
}

/** @param {Stored} job */
function shown({ rows, ...job }) {
  assert.ok(rows);
  return job;
}

/** @param {string[]} texts @param {object} [more] */
function order(texts, more = {}) {
  const items = texts.map((text, place) => ({ row: place + 2, cells: [String(place), text], input: { text } }));
  return { owner: "anna", model: "sentiment", name: "a.csv", columns: ["id", "text"], delimiter: ",", price: 1, items, ...more };
}

/** @param {number} count */
const numbered = (count) => Array.from({ length: count }, (_, place) => `row ${place}`);

/** @param {import("../../services/app/web/bulk.js").BulkRunner} runner */
function jobOf(runner) {
  assert.ok(runner.state.job);
  return runner.state.job;
}

/** @param {import("../../services/app/web/bulk.js").BulkRunner} runner */
async function linesOf(runner) {
  let text = "";
  for await (const part of resultLines(jobOf(runner), () => runner.answered(jobOf(runner)))) text += part;
  return text.replace("\ufeff", "").trimEnd().split("\r\n");
}

/** @param {Service} api @param {object} [more] */
const made = (api, more = {}) => createBulkRunner({ api, store: memoryStore(), pollMs: 0, ...more });

/** @param {import("../../services/app/web/bulk.js").BulkRunner} runner @param {string} phase */
async function until(runner, phase) {
  while (runner.state.phase !== phase) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("10,000 rows end, each paid once, and the result is in the order of the input", async () => {
  const api = new Service();
  const runner = made(api);
  await runner.start(order(numbered(10_000)));
  await runner.settled();
  assert.equal(runner.state.phase, "finished");
  assert.equal(api.jobs.size, 1);
  assert.deepEqual(jobOf(runner).counts, { succeeded: 10_000, failed: 0, canceled: 0, refused: 0, charged: 10_000 });
  const lines = await linesOf(runner);
  assert.equal(lines[0], "id,text,status,label,scores.a,error,credits");
  assert.equal(lines.length, 10_001);
  assert.ok(lines.slice(1).every((line, place) => line === `${place},row ${place},succeeded,ROW ${place},0.5,,1`));
});

test("a reload between request and answer resumes without paying twice", async () => {
  const api = new Service();
  const store = memoryStore();
  const first = made(api, { store });
  api.after.push(() => {
    void first.leave();
    throw new ApiError(0, "offline", "Lost");
  });
  await first.start(order(numbered(100)));
  await first.settled();
  const second = made(api, { store });
  await second.restore("anna");
  await second.settled();
  assert.equal(second.state.phase, "finished");
  assert.equal(api.jobs.size, 1);
  assert.equal(api.credits, 1_000_000 - 100);
});

test("a job that was begun on another device is followed here", async () => {
  const api = new Service();
  api.isResting = true;
  const first = made(api);
  await first.start(order(numbered(10)));
  while (jobOf(first).bulkId === null) await new Promise((resolve) => setTimeout(resolve, 1));
  await first.leave();
  const second = made(api);
  await second.restore("anna");
  api.isResting = false;
  await second.settled();
  assert.equal(second.state.phase, "finished");
  assert.equal(jobOf(second).pieces, 0);
  assert.equal(jobOf(second).counts.succeeded, 10);
});

test("a job that has ended is opened again without its rows", async () => {
  const api = new Service();
  const first = made(api);
  await first.start(order(["good", "fail", "bad"]));
  await first.settled();
  await first.discard();
  const [found] = await first.jobs.recent(5);
  assert.ok(found);
  await first.open(found, "anna");
  await first.settled();
  assert.equal(first.state.phase, "finished");
  assert.equal(first.state.done, 3);
  assert.equal(jobOf(first).pieces, 0);
  assert.deepEqual(jobOf(first).counts, { succeeded: 1, failed: 1, canceled: 0, refused: 1, charged: 1 });
  assert.equal(jobOf(first).startedAt, Date.parse("2026-11-25T00:00:00Z"));
  await first.discard();
  assert.equal(first.state.phase, "idle");
});

test("another person on this device does not see the job", async () => {
  const api = new Service();
  const store = memoryStore();
  const first = made(api, { store });
  await first.start(order(["one"]));
  await first.settled();
  const second = made(api, { store });
  await second.restore("bert");
  assert.equal(second.state.phase, "idle");
});

test("a request that was never answered is not repeated when its key may be forgotten", async () => {
  const api = new Service();
  const store = memoryStore();
  const first = made(api, { store });
  api.before.push(() => {
    void first.leave();
    throw new ApiError(0, "offline", "Lost");
  });
  await first.start(order(["one"]));
  await first.settled();
  const second = made(api, { store, now: () => Date.now() + 24 * 3_600_000 });
  await second.restore("anna");
  await second.settled();
  assert.equal(second.state.phase, "stopped");
  assert.equal(second.state.problem?.code, "key_forgotten");
  await second.resume();
  assert.equal(api.jobs.size, 0);
});

test("a job whose answer was lost before a day's sleep of the device is not sent again", async () => {
  const api = new Service();
  let clock = Date.now();
  const runner = made(api, { now: () => clock });
  api.after.push(() => {
    clock += 24 * 3_600_000;
    api.byKey.clear(); // forgotten
    throw new ApiError(0, "unreachable", "Lost");
  });
  await runner.start(order(["one"]));
  await runner.settled();
  assert.equal(runner.state.problem?.code, "key_forgotten");
  assert.equal(api.jobs.size, 1);
});

test("rows that do not fit the model are named in the result and not paid for", async () => {
  const api = new Service();
  const runner = made(api);
  await runner.start(order(["good", "bad", "fail"]));
  await runner.settled();
  assert.deepEqual(jobOf(runner).counts, { succeeded: 1, failed: 1, canceled: 0, refused: 1, charged: 1 });
  assert.deepEqual((await linesOf(runner)).slice(1), [
    "0,good,succeeded,GOOD,0.5,,1",
    "1,bad,refused,,,It is invalid,0",
    "2,fail,failed,,,It is failed,0",
  ]);
});

test("without credits nothing starts, it says what it costs, and starts once there are some", async () => {
  const api = new Service(5);
  const runner = made(api);
  await runner.start(order(numbered(10)));
  await runner.settled();
  assert.equal(runner.state.phase, "stopped");
  assert.deepEqual([runner.state.problem?.cost, runner.state.problem?.balance, api.credits], [10, 5, 5]);
  api.credits = 10;
  await runner.resume();
  await runner.settled();
  assert.equal(runner.state.phase, "finished");
  assert.equal(api.credits, 0);
});

test("at another price than the one that was shown nothing is held until a person starts it at that price", async () => {
  const api = new Service();
  const runner = made(api);
  api.price = 3;
  await runner.start(order(numbered(10)));
  await runner.settled();
  assert.deepEqual([runner.state.phase, runner.state.problem?.code, runner.state.problem?.cost], ["stopped", "price_changed", 30]);
  assert.deepEqual([api.jobs.size, api.credits], [0, 1_000_000]);
  api.isResting = true;
  await runner.resume();
  while (jobOf(runner).bulkId === null) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([api.credits, jobOf(runner).price], [1_000_000 - 30, 3]);
  await runner.leave();
});

test("a job that waited for credits or was opened again is not started at another price than it was shown with", async () => {
  const api = new Service(5);
  const store = memoryStore();
  const first = made(api, { store });
  await first.start(order(numbered(10)));
  await first.settled();
  assert.equal(first.state.problem?.code, "insufficient_credits");
  Object.assign(api, { credits: 100, price: 2 });
  const second = made(api, { store });
  await second.restore("anna");
  for (const runner of [first, second]) {
    await runner.resume();
    await runner.settled();
    assert.deepEqual([runner.state.problem?.code, runner.state.problem?.cost, api.jobs.size], ["price_changed", 20, 0]);
  }
});

test("a job whose answer was lost is sent again at the price it was accepted for", async () => {
  const api = new Service();
  const runner = made(api);
  api.after.push(() => {
    api.price = 5;
    throw new ApiError(0, "offline", "Lost", { retryAfterS: 0.01 });
  });
  await runner.start(order(["one"]));
  await runner.settled();
  assert.deepEqual([runner.state.phase, api.jobs.size], ["finished", 1]);
});

test("after any refusal a job is started at no other price than it was shown with", async () => {
  /** @type {[number, string][]} */
  const refusals = [[409, "model_disabled"], [404, "model_not_found"], [403, "model_not_allowed"], [402, "key_cap_exceeded"], [422, "invalid_input"], [429, "too_many_queued"]];
  for (const [status, code] of refusals) {
    const api = new Service();
    const runner = made(api);
    api.before.push(() => {
      api.price = 5;
      throw new ApiError(status, code, "Refused", { retryAfterS: 0.01 });
    });
    await runner.start(order(["one"]));
    await runner.settled();
    if (status !== 429) { // it waits by itself, and the others for a person
      assert.equal(runner.state.problem?.code, code);
      await runner.resume();
      await runner.settled();
    }
    assert.deepEqual([runner.state.phase, runner.state.problem?.code, api.jobs.size], ["stopped", "price_changed", 0], code);
  }
});

test("a job that waits for its place for more than a day is sent when there is one", async () => {
  const api = new Service();
  let clock = Date.now();
  const runner = made(api, { now: () => clock });
  api.before.push(() => {
    clock += 25 * 3_600_000;
    throw new ApiError(429, "too_many_queued", "Busy", { retryAfterS: 0.01 });
  });
  await runner.start(order(["one"]));
  await runner.settled();
  assert.deepEqual([runner.state.phase, api.jobs.size], ["finished", 1]);
});

test("a job that is canceled while its price is asked for or refused is not sent, and stays canceled", async () => {
  for (const price of [1, 3]) {
    const api = new Service();
    const runner = made(api);
    const { get } = api;
    api.get = async (path) => {
      if (path.startsWith("/models/")) await runner.cancel();
      return get.call(api, path);
    };
    api.price = price;
    await runner.start(order(["one"]));
    await runner.settled();
    assert.deepEqual([runner.state.phase, runner.state.problem, api.jobs.size], ["canceled", null, 0]);
  }
  for (const status of [402, 429]) {
    const api = new Service();
    const runner = made(api);
    api.before.push(() => {
      void runner.cancel();
      throw new ApiError(status, status === 402 ? "insufficient_credits" : "too_many_queued", "Refused", { retryAfterS: 3600 });
    });
    await runner.start(order(["one"]));
    await runner.settled();
    assert.deepEqual([runner.state.phase, runner.state.problem, api.jobs.size], ["canceled", null, 0]);
  }
});

test("a job whose answer was lost is canceled once the service has said what became of it", async () => {
  const api = new Service();
  api.isResting = true;
  const runner = made(api);
  api.after.push(() => {
    void runner.cancel();
    throw new ApiError(0, "offline", "Lost", { retryAfterS: 0.01 });
  });
  await runner.start(order(["one"]));
  await until(runner, "canceling");
  api.isResting = false;
  await runner.settled();
  assert.deepEqual([runner.state.phase, api.jobs.get("bulk-0")?.status, api.credits], ["canceled", "canceled", 1_000_000]);
});

test("a job that was refused is canceled without being sent again", async () => {
  const api = new Service(5);
  const runner = made(api);
  await runner.start(order(numbered(10)));
  await runner.settled();
  api.credits = 10;
  await runner.cancel();
  await runner.settled();
  assert.deepEqual([runner.state.phase, api.jobs.size, api.credits], ["canceled", 0, 10]);
});

test("busy answers are waited for, and the wait is told", async () => {
  const api = new Service();
  const runner = made(api);
  /** @type {string[]} */
  const phases = [];
  runner.subscribe(({ phase }) => phases.push(phase));
  api.before.push(() => {
    throw new ApiError(503, "overloaded", "Busy", { retryAfterS: 0.01 });
  });
  await runner.start(order(["one"]));
  await runner.settled();
  assert.equal(runner.state.phase, "finished");
  assert.ok(phases.includes("waiting"));
});

test("cancel gives back what has not ended, and keeps what was answered", async () => {
  const api = new Service();
  const runner = made(api);
  await runner.start(order(numbered(9_000)));
  while (jobOf(runner).counts.succeeded === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  api.isResting = true;
  await runner.cancel();
  await until(runner, "canceling");
  api.isResting = false;
  await runner.settled();
  assert.equal(runner.state.phase, "canceled");
  const { counts } = jobOf(runner);
  assert.equal(counts.succeeded + counts.canceled, 9_000);
  assert.ok(counts.canceled > 0);
  assert.equal(api.credits, 1_000_000 - counts.succeeded);
});

test("a job that ended before the cancel has finished", async () => {
  const api = new Service();
  api.isResting = true;
  const runner = made(api, { pollMs: 5 });
  await runner.start(order(["one"]));
  while (jobOf(runner).bulkId === null) await new Promise((resolve) => setTimeout(resolve, 1));
  api.isResting = false;
  await api.get("/bulk/bulk-0");
  await runner.cancel();
  await runner.settled();
  assert.equal(runner.state.phase, "finished");
});

test("a file has the rows of its own job, though another one is opened while it is made", async () => {
  const api = new Service();
  const runner = made(api);
  await runner.start(order(["one", "two"]));
  await runner.settled();
  const first = jobOf(runner);
  const lines = resultLines(first, () => runner.answered(first));
  await lines.next();
  await runner.open(/** @type {Stored} */ (api.jobs.get("bulk-0")), "anna");
  assert.equal((await lines.next()).value, "0,one,succeeded,ONE,0.5,,1\r\n1,two,succeeded,TWO,0.5,,1\r\n");
});

test("a discarded job leaves nothing on the device", async () => {
  const api = new Service();
  const store = memoryStore();
  const runner = made(api, { store });
  await runner.start(order(["one"]));
  await runner.settled();
  const { id } = jobOf(runner);
  await runner.discard();
  assert.equal(await store.loadJob("anna"), null);
  assert.equal(await store.loadPiece(id, 0), null);
  assert.equal(runner.state.phase, "idle");
});
