import assert from "node:assert/strict";
import { test } from "node:test";
import { match } from "../../services/app/web/lib/match.js";
import { snippet } from "../../services/app/web/lib/snippets.js";
import { parser } from "../../services/app/web/lib/sse.js";
import { preparingMs } from "../../services/app/web/lib/timings.js";
import { pause, hurry, retryDelayS } from "../../services/app/web/lib/wait.js";
import { cutSpans } from "../../services/app/web/outputs/cut_spans.js";
import { besidesOf, headline, isNothing, soleNumberOf, scoresOf, shapeOf } from "../../services/app/web/outputs/shape.js";

/** @param {string[]} chunks */
function events(chunks) {
  /** @type {import("../../services/app/web/lib/sse.js").ServerEvent[]} */
  const found = [];
  const push = parser((event) => found.push(event));
  chunks.forEach(push);
  return found;
}

test("events are the same however the network cuts them", () => {
  const stream = "retry: 1000\n\n: still here\n\nid: 7\nevent: balance\ndata: {\"balance\": 1,\ndata: \"held\": 0}\n\ndata: x\r\n\r\n";
  const whole = events([stream]);
  assert.deepEqual(whole, [
    { event: "balance", data: '{"balance": 1,\n"held": 0}', id: "7" },
    { event: "message", data: "x", id: "7" },
  ]);
  assert.deepEqual(events([...stream]), whole);
});

test("an address finds its route and parameters", () => {
  const routes = [{ path: "/" }, { path: "/app/predict/:id?" }, { path: "/app/operate/:part" }];
  assert.equal(match(routes, "/").route, routes[0]);
  assert.deepEqual(match(routes, "/app/predict"), { route: routes[1], params: {} });
  assert.deepEqual(match(routes, "/app/predict/a%20b/").params, { id: "a b" });
  assert.equal(match(routes, "/app/operate").route, null);
  assert.equal(match(routes, "/app/predict/a/b").route, null);
  assert.deepEqual(match(routes, "/app/predict/%E0%A4%A").params, { id: "%E0%A4%A" });
});

test("a wait follows Retry-After, else grows to its limit", () => {
  assert.equal(retryDelayS(12, 0), 12);
  assert.deepEqual([0, 1, 2, 10].map((attempt) => retryDelayS(null, attempt)), [1, 2, 4, 30]);
});

test("a wait ends when it is hurried or aborted", async () => {
  const hurried = pause(60, undefined);
  hurry();
  await hurried;
  const stop = new AbortController();
  const stopped = pause(60, stop.signal);
  stop.abort(new Error("left"));
  await assert.rejects(stopped, /left/);
});

test("the shape of an answer chooses how it is drawn", () => {
  const vector = Array.from({ length: 16 }, (_, place) => place / 16);
  const shown = {
    label: { label: "positive", confidence: 0.9, scores: { positive: 0.9, negative: 0.1 } },
    spans: { entities: [{ start: 0, end: 4, label: "PER" }] },
    vector: { embedding: vector },
    table: [{ a: 1 }, { a: 2, b: 3 }],
    text: { text: "hello" },
    image: { image: "data:image/png;base64,AAAA" },
    json: { words: 3, is_question: true },
  };
  for (const [shape, output] of Object.entries(shown)) assert.equal(shapeOf(null, output), shape);
});

test("a hint wins where the answer fits it, and only there", () => {
  assert.equal(shapeOf("json", { label: "x" }), "json");
  assert.equal(shapeOf("table", { rows: [{ start: 1, end: 2 }] }), "table");
  assert.equal(shapeOf("image", { label: "x" }), "label");
  assert.equal(shapeOf("unknown", { label: "x" }), "label");
  assert.equal(shapeOf(null, { image: "data:image/svg+xml;base64,AAAA" }), "text");
});

test("a text in which nothing was found is shown as a text", () => {
  assert.equal(shapeOf("spans", { entities: [] }), "spans");
  assert.equal(shapeOf("table", { rows: [] }), "json");
  assert.deepEqual([{ entities: [] }, {}, { entities: [1] }, { a: [], b: 1 }, null, []].map(isNothing), [true, false, false, false, false, false]);
});

test("answers without an object do not break the choice", () => {
  assert.deepEqual([null, 3, [], "x", true].map((output) => shapeOf("label", output)), ["json", "json", "json", "text", "json"]);
});

test("an answer's word and its rivals", () => {
  const language = { language: "ru", confidence: 0.8, alternatives: [{ language: "uk", confidence: 0.1 }] };
  assert.deepEqual(headline(language), { name: "language", label: "ru", confidence: 0.8 });
  assert.deepEqual(scoresOf(language), [{ label: "ru", score: 0.8 }, { label: "uk", score: 0.1 }]);
  assert.equal(headline({ words: 3 }), null);
});

test("what an answer says beside its word", () => {
  const file = { label: "png", confidence: 0.9, mime_type: "image/png", extensions: ["png"], is_text: false, tags: [], more: { a: 1 }, none: null };
  assert.deepEqual(besidesOf(file), [["mime_type", "image/png"], ["extensions", ["png"]], ["is_text", false]]);
  assert.deepEqual(besidesOf({ label: "positive", score: 0.9, scores: { positive: 0.9 } }), []);
});

test("only a number from 0 to 1 is a confidence or a bar, and any other is a field beside the word", () => {
  for (const score of [-0.6, 87, 1.0001, NaN, 12345678901234567890n]) {
    const one = { sentiment: "negative", score };
    assert.equal(headline(one)?.confidence, null);
    assert.deepEqual(besidesOf(one), [["score", score]]);
  }
  for (const score of [0, 0.5, 1]) assert.equal(headline({ label: "a", score })?.confidence, score);
  assert.equal(headline({ label: "a", score: 87, probability: 0.9 })?.confidence, 0.9);
  assert.deepEqual(besidesOf({ label: "a", score: 87, probability: 0.9 }), [["score", 87]]);
  const logits = { label: "a", scores: { a: 7.5, b: 0.5 } };
  assert.deepEqual([headline(logits)?.confidence, scoresOf(logits)], [null, []]);
  assert.deepEqual(besidesOf(logits), [["a", 7.5], ["b", 0.5]]);
  assert.deepEqual(scoresOf({ label: "a", alternatives: [{ label: "b" }, { label: "c", score: 40 }] }), []);
});

test("what has no score has no bar and hides no other", () => {
  assert.deepEqual(scoresOf({ label: "a", scores: { a: 0.9, b: 0.1, c: null } }), [{ label: "a", score: 0.9 }, { label: "b", score: 0.1 }]);
  const rivals = { label: "a", confidence: 0.9, alternatives: [{ label: "b", confidence: 0.08 }, { text: "no word" }, { label: "c", score: null }] };
  assert.deepEqual(scoresOf(rivals), [{ label: "a", score: 0.9 }, { label: "b", score: 0.08 }]);
  assert.deepEqual(besidesOf(rivals), [["alternatives", ["c"]]]);
  assert.deepEqual(scoresOf({ label: "a", scores: { a: 0.9, b: "high" } }), []);
});

test("alternatives without bars are named", () => {
  const named = [["alternatives", ["b", "c"]]];
  assert.deepEqual(besidesOf({ label: "a", alternatives: [{ label: "b" }, { label: "c" }] }), named);
  assert.deepEqual(besidesOf({ label: "a", confidence: 0.9, alternatives: [{ label: "b", score: 40 }, { label: "c", score: 0.05 }] }), named);
  assert.deepEqual(besidesOf({ label: "a", alternatives: ["b", "c"] }), named);
  assert.deepEqual(besidesOf({ label: "a", alternatives: [{ label: "b", score: 0.1 }] }), [["alternatives", ["b"]]]);
  assert.deepEqual(besidesOf({ label: "a", scores: { a: null, b: 0.1 } }), [["b", 0.1]]);
});

test("spans cut a text by code points, and bad ones are left out", () => {
  const spans = [{ start: 2, end: 4, label: "B" }, { start: 0, end: 1, type: "A" }, { start: 3, end: 9 }, { start: 1, end: 1 }];
  assert.deepEqual(cutSpans("🙂bcd", spans), [
    { text: "🙂", label: "A" },
    { text: "b", label: null },
    { text: "cd", label: "B" },
  ]);
});

test("snippets quote what would end a string", () => {
  const call = {
    origin: `http://${"localhost"}`,
    model: "sentiment",
    input: { text: `it's "x" $HOME \\ \n да`, flag: true, none: null },
    key: null,
  };
  const shell = snippet("curl", call);
  assert.match(shell, /it'\\''s \\"x\\" \$HOME/);
  const python = snippet("python", call);
  assert.match(python, /"flag": True, "none": None/);
  assert.match(python, /KEY = "mls_YOUR_KEY"/);
  assert.match(snippet("javascript", { ...call, key: "mls_x" }), /const key = "mls_x";/);
});

test("the time to load a sleeping model is told, that to store an answer is not", () => {
  const of = (/** @type {(number | null)[]} */ [queued_ms, predict_ms, total_ms]) =>
    preparingMs({ timings: { queued_ms: queued_ms ?? null, predict_ms: predict_ms ?? null, total_ms: total_ms ?? null } });
  assert.equal(of([207, 40, 3500]), 3253);
  assert.equal(of([207, 40, 300]), null);
  assert.equal(of([5000, 40, 5100]), null);
  for (const unknown of [[null, 40, 3500], [207, null, 3500], [207, 40, null]]) assert.equal(of(unknown), null);
});

test("an answer that is one number is shown by it", () => {
  assert.equal(soleNumberOf({ id: 9007199254740993n }), 9007199254740993n);
  assert.equal(soleNumberOf({ price: 46.5 }), 46.5);
  for (const output of [{ price: "46" }, { a: 1, b: 2 }, {}, [1], 3, null]) assert.equal(soleNumberOf(output), null);
});
