/** Whole numbers of 64 bits go through the page digit by digit. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { itemsOf, planOf, valueOf } from "../../services/app/web/bulk/inputs.js";
import { jobsOf } from "../../services/app/web/bulk/jobs.js";
import { readSource } from "../../services/app/web/bulk/source.js";
import { wholeFault } from "../../services/app/web/errors.js";
import { readJson, writeJson } from "../../services/app/web/lib/json.js";
import { numberOf } from "../../services/app/web/lib/numbers.js";
import { check, clean, toForm } from "../../services/app/web/lib/schema.js";
import { snippet } from "../../services/app/web/lib/snippets.js";
import { readAnswer } from "../../services/app/web/problem.js";

const SAFE = ["0", "-7", "9007199254740991", "-9007199254740991"];
const LONG = ["9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615"];
const BEYOND = ["-9223372036854775809", "18446744073709551616", "99999999999999999999"];
const SCHEMA = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };

/** @param {string} text @returns {Promise<string>} the lines that the service gets of a file */
async function sent(text) {
  const source = await readSource(text, { fields: ["n"] });
  const items = itemsOf(source, SCHEMA, planOf(source, SCHEMA));
  let body = "";
  const post = async (/** @type {string} */ _, /** @type {Blob} */ blob) => void (body = await blob.text());
  const pieces = async function* () {
    yield structuredClone({ jobId: "", number: 0, items }); // as the device's store keeps it
  };
  await jobsOf(/** @type {any} */ ({ post })).send(/** @type {any} */ ({ model: "m", key: "k" }), pieces());
  return body;
}

test("JSON lines are sent with the numbers that they have", async () => {
  const lines = [...SAFE, ...LONG, ...BEYOND].map((n) => `{"n":${n}}`);
  const wrapped = LONG.map((n) => `{"id":"a","input":{"n":[${n},{"deep":${n}}],"text":"\\"${n}"}}`);
  const expected = [...lines, ...wrapped.map((line) => line.slice('{"id":"a","input":'.length, -1))].map((line) => `${line}\n`);
  assert.equal(await sent([...lines, ...wrapped].join("\n")), expected.join(""));
});

test("cells of a table are sent with the numbers that they have", async () => {
  assert.equal(await sent(`n\n${[...SAFE, ...LONG].join("\n")}\n`), [...SAFE, ...LONG].map((n) => `{"n":${n}}\n`).join(""));
  assert.equal(writeJson(valueOf(`[${LONG[1]}]`, { type: "array" })), `[${LONG[1]}]`);
});

test("a number that JavaScript does not have leaves its line out", async () => {
  const source = await readSource('{"n":1}\n{"n":1e400}\n');
  assert.deepEqual(source.errors, [{ row: 2, code: "not_json" }]);
});

test("what is no JSON stays none, however long its numbers are", () => {
  for (const text of [`0${LONG[1]}`, `{${LONG[1]}: 1}`, `+${LONG[1]}`, `${LONG[1]}.`, `[${LONG[1]}`, `"${LONG[1]}`]) assert.throws(() => readJson(text), SyntaxError, text);
});

test("a text of millions of escapes is read", () => {
  const text = JSON.stringify({ a: `${"\n".repeat(10_000_000)}${LONG[1]}` });
  assert.equal(readJson(text).a.length, 10_000_000 + 16);
});

test("texts, keys, fractions and exponents are read as JSON.parse reads them", () => {
  for (const text of [`{"${LONG[1]}":"${LONG[1]}"}`, `["\\\\",1,"\\"${LONG[1]}"]`, "[0.12345678901234567,1e300,-1.5e-200]", `"${"a".repeat(500_000)}${LONG[1]}"`]) {
    assert.deepEqual(readJson(text), JSON.parse(text));
    assert.equal(writeJson(readJson(text)), JSON.stringify(JSON.parse(text)));
  }
  assert.equal(writeJson({ a: undefined, b: [1n] }, 2), JSON.stringify({ b: [1] }, null, 2));
});

test("a form takes whole numbers up to 64 bits as they are typed, and says the limit beyond", () => {
  for (const n of [...SAFE, ...LONG]) {
    assert.deepEqual(check(SCHEMA, { n }), [], n);
    assert.equal(writeJson(clean(SCHEMA, { n })), `{"n":${n}}`);
    assert.deepEqual(toForm(SCHEMA, clean(SCHEMA, { n })), { n });
    assert.equal(String(numberOf(n, false)), n);
  }
  const limits = BEYOND.map((n) => check(SCHEMA, { n })[0]);
  const maximum = { path: "n", code: "maximum", limit: 2n ** 64n - 1n };
  assert.deepEqual(limits, [{ path: "n", code: "minimum", limit: -(2n ** 63n) }, maximum, maximum]);
  assert.deepEqual(check(SCHEMA, { n: "1.5" }), [{ path: "n", code: "integer" }]);
  assert.deepEqual(check({ type: "object", properties: { n: { type: "integer", maximum: readJson(LONG[3] ?? "") } } }, { n: LONG[4] })[0]?.code, "maximum");
  assert.notEqual(wholeFault(LONG[1] ?? "", 0, 1e9), null);
});

test("a JSON field keeps the numbers that are typed and shows those that it is filled with", () => {
  const schema = { type: "object", properties: { rest: {} } };
  const input = { rest: readJson(`{"id":${LONG[1]}}`) };
  assert.equal(writeJson(clean(schema, toForm(schema, input))), `{"rest":{"id":${LONG[1]}}}`);
});

test("an answer of the service and the code beside it have all digits", async () => {
  const text = `{"output":{"id":${LONG[1]}}}`;
  const answer = await readAnswer(new Response(text, { headers: { "Content-Type": "application/json" } }));
  assert.equal(writeJson(answer), text);
  for (const kind of /** @type {const} */ (["curl", "python", "javascript"])) {
    const code = snippet(kind, { origin: "", model: "m", input: answer.output, key: null });
    assert.ok(code.includes(LONG[1] ?? ""), code);
  }
  const script = snippet("javascript", { origin: "", model: "m", input: answer.output, key: null });
  assert.ok(script.includes(`body: "{`), script);
});
