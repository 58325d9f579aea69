import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";

/** @typedef {{method: string, path: string, key: string | null, token: string | null, body: string}} Asked */

const USER = { id: "u1", username: "anna", balance: 5, role: null, is_admin: false, is_demo: false, created_at: "2026-11-26" };
/** @type {Asked[]} */
let asked = [];
/** What the server answers, in turn; then 200. @type {((one: Asked) => [number, object, Record<string, string>?] | null)[]} */
let script = [];
let refreshes = 0;
/** How many tokens there were when the test began. */
let issued = 0;
let isSessionAlive = true;

const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  const { headers, method = "", url: path = "" } = request;
  const one = {
    method,
    path,
    key: /** @type {string | undefined} */ (headers["idempotency-key"]) ?? null,
    token: headers.authorization?.replace("Bearer ", "") ?? null,
    body,
  };
  const [status, content, more = {}] = answer(one);
  response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...more });
  response.end(JSON.stringify(content));
});

/** @param {Asked} one @returns {[number, object, Record<string, string>?]} */
function answer(one) {
  if (one.path.startsWith("/session")) {
    const opened = { access_token: `token-${++refreshes}`, expires_in: 900, user: USER };
    return isSessionAlive ? [200, opened] : [401, { code: "unauthenticated" }];
  }
  asked.push(one);
  return script.shift()?.(one) ?? [200, { ok: true }];
}

const browserFetch = globalThis.fetch;
/** @type {typeof import("../../services/app/web/api.js")} */
let page;
/** @type {typeof import("../../services/app/web/session.js")} */
let session;

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  // A browser resolves paths against its page.
  globalThis.fetch = (path, init) => browserFetch(new URL(String(path), `http://127.0.0.1:${port}`), init);
  // Its channels to other tabs would keep this process alive.
  Reflect.deleteProperty(globalThis, "BroadcastChannel");
  if (!("navigator" in globalThis)) Object.defineProperty(globalThis, "navigator", { value: { onLine: true } });
  const window = new EventTarget();
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  page = await import("../../services/app/web/api.js");
  session = await import("../../services/app/web/session.js");
});

beforeEach(async () => {
  asked = [];
  script = [];
  isSessionAlive = true;
  await session.signIn("anna", "correct horse");
  issued = refreshes;
});

after(() => {
  server.close();
  server.closeAllConnections();
});

test("a request that may be repeated is repeated with its key until it is answered", async () => {
  script = [
    () => [503, { code: "overloaded" }, { "Retry-After": "0.01" }],
    () => [429, { code: "too_many_queued" }, { "Retry-After": "0.01" }],
    () => [429, { code: "too_many_requests" }, { "Retry-After": "0.01" }],
  ];
  /** @type {(string | null)[]} */
  const reasons = [];
  const options = {
    key: "k1",
    onWait: (/** @type {import("../../services/app/web/api.js").Delay | null} */ now) => reasons.push(now?.reason ?? null),
  };
  assert.deepEqual(await page.api.post("/predictions/predict", { text: "x" }, options), { ok: true });
  assert.deepEqual(asked.map((one) => one.key), ["k1", "k1", "k1", "k1"]);
  assert.deepEqual(reasons, ["busy", "full", "pace", null]);
});

test("a change without a key is never repeated", async () => {
  script = [() => [503, { code: "overloaded", detail: "later" }, { "Retry-After": "7" }]];
  await assert.rejects(page.api.post("/users/me/password", {}), { status: 503, code: "overloaded", retryAfterS: 7 });
  assert.equal(asked.length, 1);
});

test("an expired token is renewed once for all who need it, and their requests go on", async () => {
  const refuse = (/** @type {Asked} */ one) =>
    /** @type {[number, object] | null} */ (one.token === `token-${issued + 1}` ? null : [401, { code: "unauthenticated" }]);
  script = Array.from({ length: 20 }, () => refuse);
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => page.api.get(`/predictions/${n}`)));
  assert.deepEqual(answers, Array.from({ length: 10 }, () => ({ ok: true })));
  assert.equal(refreshes, issued + 1);
});

test("a request waits while its session has ended, and goes on for the same person", async () => {
  isSessionAlive = false;
  script = [() => [401, { code: "unauthenticated" }]];
  const waiting = page.api.post("/predictions/predict", { text: "typed" }, { key: "k2" });
  while (session.state.value !== "ended") await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(session.user.value?.username, "anna");
  isSessionAlive = true;
  await session.signIn("anna", "correct horse");
  assert.deepEqual(await waiting, { ok: true });
  assert.deepEqual(asked.map((one) => [one.key, one.body]), [["k2", '{"text":"typed"}'], ["k2", '{"text":"typed"}']]);
});

test("a request that is begun after its session has ended waits, too", async () => {
  isSessionAlive = false;
  script = [() => [401, { code: "unauthenticated" }]];
  const first = page.api.get("/balance");
  while (session.state.value !== "ended") await new Promise((resolve) => setTimeout(resolve, 5));
  const second = page.api.post("/predictions/predict", { text: "typed" }, { key: "k3" });
  isSessionAlive = true;
  await session.signIn("anna", "correct horse");
  assert.deepEqual(await Promise.all([first, second]), [{ ok: true }, { ok: true }]);
  assert.deepEqual(asked.filter((one) => one.key === "k3").map((one) => one.token), [`token-${refreshes}`]);
});

test("what was asked with a key is not asked again once the service has forgotten it", async (context) => {
  const day = 24 * 3_600_000;
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  script = [() => {
    context.mock.timers.tick(day); // the device slept
    return [503, { code: "overloaded" }, { "Retry-After": "0.01" }];
  }];
  await assert.rejects(page.api.post("/predictions/predict", { text: "x" }, { key: "k4" }), { status: 503 });
  assert.equal(asked.length, 1);
});

test("a request ends with its session where the person gives up", async () => {
  isSessionAlive = false;
  script = [() => [401, { code: "unauthenticated" }]];
  const waiting = page.api.get("/predictions");
  while (session.state.value !== "ended") await new Promise((resolve) => setTimeout(resolve, 5));
  session.forgetSession();
  await assert.rejects(waiting, { status: 401 });
  assert.equal(session.user.value, null);
});

test("an error tells what the API said", async () => {
  const errors = [{ location: "input.text", message: "too long" }];
  script = [() => [422, { code: "invalid_input", detail: "no", errors, request_id: "r1" }]];
  await assert.rejects(page.api.get("/x"), { status: 422, code: "invalid_input", errors, requestId: "r1", isTransient: false });
});

test("a wait ends when the view leaves", async () => {
  script = [() => [503, { code: "overloaded" }, { "Retry-After": "60" }]];
  const stop = new AbortController();
  const waiting = page.api.get("/x", { signal: stop.signal });
  while (page.delay.value === null) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(new Error("left"));
  await assert.rejects(waiting, /left/);
  assert.equal(page.delay.value, null);
});

test("empty parts of a query are left out, and lists repeat", () => {
  const query = { status: ["queued", "failed"], model: "", cursor: null, limit: 5 };
  assert.equal(page.address("/predictions", query), "/predictions?status=queued&status=failed&limit=5");
});
