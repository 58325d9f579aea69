import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";

/** @type {typeof import("../../services/app/web/lib/lock.js")} */
let lock;
/** @type {Map<string, string>} */
const stored = new Map();

before(async () => {
  // A plain http page: storage, but no Web Locks.
  Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    value: {
      getItem: (/** @type {string} */ name) => stored.get(name) ?? null,
      setItem: (/** @type {string} */ name, /** @type {string} */ value) => stored.set(name, value),
      removeItem: (/** @type {string} */ name) => stored.delete(name),
    },
  });
  const window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  lock = await import("../../services/app/web/lib/lock.js");
});

afterEach(() => stored.clear());

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("without Web Locks only one works at a time, and each gets its turn", async () => {
  let working = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++working);
    await sleep(10);
    working--;
    return "done";
  };
  const all = await Promise.all(Array.from({ length: 4 }, () => lock.exclusive("session", work)));
  assert.deepEqual(all, Array.from({ length: 4 }, () => "done"));
  assert.equal(most, 1);
  assert.equal(stored.size, 0);
});

test("a failure gives the lock back", async () => {
  const fail = () => lock.exclusive("session", () => Promise.reject(new Error("no answer")));
  await assert.rejects(fail(), /no answer/);
  assert.equal(await lock.exclusive("session", async () => 1), 1);
});

test("the lock of a tab that died is free when its lease is over", async () => {
  stored.set("lock.session", `someone-else ${Date.now() + 150}`);
  const began = Date.now();
  await lock.exclusive("session", async () => undefined);
  assert.ok(Date.now() - began >= 140);
});

test("who waits may leave", async () => {
  stored.set("lock.live", `someone-else ${Date.now() + 60_000}`);
  const stop = new AbortController();
  const waiting = lock.holding("live", async () => undefined, stop.signal);
  stop.abort(new Error("left"));
  await assert.rejects(waiting, /left/);
  assert.match(stored.get("lock.live") ?? "", /^someone-else/);
});

test("a lease that another tab has taken is not taken back", async () => {
  await lock.exclusive("live", async () => {
    stored.set("lock.live", `someone-else ${Date.now() + 60_000}`);
    await sleep(1_100);
  });
  assert.match(stored.get("lock.live") ?? "", /^someone-else/);
});
